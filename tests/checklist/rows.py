"""Keyword builders of rows that evidence is gathered from."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from readiness.checklist.models import Target
from readiness.evaluations.models import Cell, CellState, Run, RunState
from readiness.inference.models import LoggedAnswer
from readiness.lib.histogram import Histogram
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.quality.models import CheckState, SpotCheck
from readiness.reviews.models import Decision, ItemState, ReviewItem, Stream, Verdict
from readiness.telemetry.models import Grain, Rollup
from readiness.telemetry.tallies import window_start
from tests.builders import make_account, make_dataset, make_deployment, make_prompt_version
from tests.checklist.builders import NOW

_STATES = {Verdict.APPROVE: ItemState.APPROVED, Verdict.REJECT: ItemState.REJECTED}


def make_target(project: Project, **values: Any) -> Target:
    """A model, a prompt and a dataset that would be shipped; ``account`` for the model's."""
    account = values.pop("account", None) or make_account(project)
    defaults: dict[str, Any] = {
        "deployment": make_deployment(account, name="sim-medium"),
        "prompt_version": make_prompt_version(project),
        "dataset_version": make_dataset(project),
    }
    return Target.objects.create(project=project, **(defaults | values))


def make_finished_run(
    target: Target, *, rivals: Sequence[Deployment] = (), at: datetime = NOW, **values: Any
) -> Run:
    """A run on the target that ended at ``at``; every deployment answered every example."""
    cell = values.pop("cell", {})
    defaults: dict[str, Any] = {
        "project": target.project,
        "name": "Baseline",
        "dataset_version": target.dataset_version,
        "prompt_version": target.prompt_version,
        "state": RunState.DONE,
        "started_at": at - timedelta(minutes=9),
        "finished_at": at,
    }
    run = Run.objects.create(**(defaults | values))
    assert target.deployment is not None
    run.deployments.set([target.deployment, *rivals])
    Cell.objects.bulk_create(
        Cell(
            run=run,
            example=example,
            deployment=deployment,
            prompt_version=run.prompt_version,
            **({"state": CellState.DONE, "latency_ms": 800, "ttft_ms": 200, "cost_nanos": 1_000_000} | cell),
        )
        for example in run.dataset_version.examples.all()
        for deployment in run.deployments.all()
    )
    return run


def make_traffic(target: Target, *, at: datetime = NOW, **values: Any) -> Rollup:
    """An hour of traffic of the target's model."""
    defaults: dict[str, Any] = {
        "requests": 100,
        "attempts": 100,
        "delivered": 100,
        "cost_nanos": 5_000_000,
        "queue_wait": Histogram.of([10.0]).to_json(),
    }
    return Rollup.objects.create(
        grain=Grain.HOUR,
        start=window_start(at, Grain.HOUR),
        project=target.project,
        deployment=target.deployment,
        purpose="app",
        **(defaults | values),
    )


def make_check(target: Target, *, at: datetime = NOW, **values: Any) -> SpotCheck:
    """A finished spot-check of an answer by the target."""
    assert target.prompt_version is not None
    number = LoggedAnswer.objects.count()
    answer = LoggedAnswer.objects.create(
        project=target.project,
        deployment=target.deployment,
        request_id=f"r{number}",
        at=at,
        prompt_hash=target.prompt_version.content_hash,
        question="How long?",
        output="Two years.",
    )
    defaults: dict[str, Any] = {
        "prompt_hash": answer.prompt_hash,
        "supported": True,
        "consistent": True,
        "state": CheckState.DONE,
    }
    return SpotCheck.objects.create(
        project=target.project,
        answer=answer,
        deployment=target.deployment,
        sampled_at=at,
        inclusion_probability=0.1,
        **(defaults | values),
    )


def make_decision(
    target: Target, *, verdict: Verdict = Verdict.APPROVE, stratum: str = "rules", seconds: int = 12
) -> Decision:
    """A verdict about a random answer of the target."""
    assert target.prompt_version is not None
    item = ReviewItem.objects.create(
        project=target.project,
        kind="spot_check",
        object_id=str(ReviewItem.objects.count()),
        deployment=target.deployment,
        prompt_hash=target.prompt_version.content_hash,
        question="How long?",
        output="Two years.",
        stratum=stratum,
        stream=Stream.RANDOM,
        state=_STATES[verdict],
    )
    return Decision.objects.create(item=item, reviewer_label="rita", verdict=verdict, seconds=seconds)

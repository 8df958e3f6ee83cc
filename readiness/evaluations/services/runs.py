"""A run's life: started, paused, resumed, cancelled, ended."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F

from readiness.accounts.models import User
from readiness.datasets.models import DatasetVersion
from readiness.evaluations.models import Cell, CellState, Run, RunState
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.providers.models import Deployment, ProviderKind

ACTIVE = (RunState.QUEUED, RunState.RUNNING)
STOPPED = (RunState.PAUSED, RunState.BUDGET_STOPPED)


class RunRefusedError(Exception):
    """A run cannot start or change as asked; the message says why in plain words."""


@transaction.atomic
def start_run(
    *,
    project: Project,
    name: str,
    dataset_version: DatasetVersion,
    deployments: Sequence[Deployment],
    prompt_version: PromptVersion | None,
    scorers: Sequence[str],
    judge: Deployment | None = None,
    trials: int = 1,
    budget_nanos: int | None = None,
    tier: str = "benchmark",
    by: User | None = None,
    run_id: UUID | None = None,
) -> Run:
    """Creates the run with all its cells, queued; the caller enqueues the shards after commit.

    With ``run_id`` a repeated call returns the run that the first one made: a double click starts one run.
    Raises ``RunRefusedError`` when the parts do not fit together.
    """
    recorded = _all_recorded(deployments)
    _check_parts(dataset_version, deployments, prompt_version, recorded)
    values = {
        "name": name,
        "dataset_version": dataset_version,
        "prompt_version": None if recorded else prompt_version,
        "scorers": list(scorers),
        "judge": judge,
        "trials": trials,
        "tier": tier,
        "budget_nanos": budget_nanos,
        "recorded": recorded,
        "simulated": any(deployment.account.simulated for deployment in deployments),
        "created_by": by,
    }
    run, created = Run.objects.get_or_create(id=run_id or uuid4(), project=project, defaults=values)
    if created:
        run.deployments.set(deployments)
        _create_cells(run, deployments)
    return run


def _all_recorded(deployments: Sequence[Deployment]) -> bool:
    if not deployments:
        raise RunRefusedError("Choose at least one deployment.")
    kinds = {deployment.account.kind == ProviderKind.RECORDED for deployment in deployments}
    if len(kinds) > 1:
        raise RunRefusedError(
            "Recorded outputs and live deployments cannot share a run: nobody knows the prompt of the former."
        )
    return kinds.pop()


def _check_parts(
    dataset_version: DatasetVersion,
    deployments: Sequence[Deployment],
    prompt_version: PromptVersion | None,
    recorded: bool,
) -> None:
    if not dataset_version.example_count:
        raise RunRefusedError("The dataset version has no examples.")
    if prompt_version is None and not recorded:
        raise RunRefusedError("Choose a prompt version: it turns each example into a request.")
    if inactive := [deployment.name for deployment in deployments if not deployment.active]:
        raise RunRefusedError(f"Switched off: {', '.join(inactive)}. Activate it or choose another.")


def _create_cells(run: Run, deployments: Sequence[Deployment]) -> None:
    """One cell per key, example by example, so that all deployments move through the dataset together."""
    examples = run.dataset_version.examples.order_by("position").values_list("id", flat=True)
    Cell.objects.bulk_create(
        (
            Cell(
                run=run,
                example_id=example_id,
                deployment=deployment,
                prompt_version_id=run.prompt_version_id,
                trial=trial,
            )
            for example_id in examples
            for deployment in deployments
            for trial in range(1, run.trials + 1)
        ),
        batch_size=500,
    )


def pause_run(*, run_id: UUID, reason: str) -> bool:
    """Stops claiming new cells; calls in flight end and are kept. False when the run was not active."""
    return _move(run_id, ACTIVE, state=RunState.PAUSED, state_reason=reason)


def fail_run(*, run_id: UUID, reason: str, now: datetime) -> bool:
    """Ends an active run that can never go on."""
    return _move(run_id, ACTIVE, state=RunState.FAILED, state_reason=reason, finished_at=now)


def resume_run(*, run_id: UUID, extra_budget_nanos: int = 0) -> bool:
    """Puts a paused or budget-stopped run back into the queue; the caller enqueues shards."""
    values = {"budget_nanos": F("budget_nanos") + extra_budget_nanos} if extra_budget_nanos else {}
    return _move(run_id, STOPPED, state=RunState.QUEUED, state_reason="", **values)


def cancel_run(*, run_id: UUID, reason: str, now: datetime) -> bool:
    """Ends the run for good; finished cells are kept. False when it had ended already."""
    return _move(run_id, (*ACTIVE, *STOPPED), state=RunState.CANCELLED, state_reason=reason, finished_at=now)


@transaction.atomic
def retry_failed(*, run_id: UUID) -> int:
    """Makes the failed cells of an ended or stopped run pending again; returns how many."""
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.state not in (*STOPPED, RunState.DONE):
        return 0
    retried = run.cells.filter(state=CellState.FAILED).update(
        state=CellState.PENDING, claims=0, error_class="", error_message="", finished_at=None
    )
    if retried:
        Run.objects.filter(pk=run_id).update(state=RunState.QUEUED, state_reason="", finished_at=None)
    return retried


@transaction.atomic
def finish_if_complete(*, run_id: UUID, now: datetime) -> bool:
    """Marks an active run done when no cell is pending or in flight. Safe to call from several shards."""
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.state not in ACTIVE or run.cells.filter(state__in=(CellState.PENDING, CellState.LEASED)).exists():
        return False
    return _move(run_id, ACTIVE, state=RunState.DONE, state_reason="", finished_at=now)


def _move(run_id: UUID, allowed: Sequence[str], **values: object) -> bool:
    """A conditional update is the lock: of two people or shards, one wins."""
    return bool(Run.objects.filter(pk=run_id, state__in=allowed).update(**values))

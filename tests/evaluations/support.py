"""Runs to work on, and a provider that answers from a script."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from readiness.datasets.models import RecordedOutput
from readiness.evaluations.models import Cell, Run
from readiness.evaluations.runner import ShardEnd, run_shard
from readiness.evaluations.services.cells import Answer, Claim, claim_cells
from readiness.evaluations.services.runs import start_run
from readiness.projects.models import Project
from readiness.providers.models import Deployment, PriceOverride, ProviderKind
from readiness.providers.registry import ClientPool
from tests.builders import make_account, make_dataset, make_deployment, make_prompt_version

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SUPPORTED = json.dumps({"verdict": "supported", "spans": [], "reason": "It says so."})
CALL_NANOS = 110_000
"""What a scripted call to a priced deployment costs."""

Script = Callable[[dict[str, Any]], httpx.Response | str]


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


class Provider:
    """Answers every call by ``script``, which returns a text or a whole response. Keeps the calls."""

    def __init__(self, script: Script = lambda body: "10 days") -> None:
        self.script = script
        self.calls: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.calls.append(body)
        said = self.script(body)
        if isinstance(said, httpx.Response):
            return said
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        return httpx.Response(200, json={"model": body["model"], "choices": [choice], "usage": usage})

    def asked(self, model: str) -> int:
        return sum(body["model"] == model for body in self.calls)


def priced(model: str = "writer", **values: Any) -> Deployment:
    """A deployment at one dollar per million tokens."""
    deployment = make_deployment(name=model, model=model, **values)
    for unit in ("input_token", "output_token"):
        PriceOverride.objects.create(
            deployment=deployment, unit=unit, usd_per_million=Decimal(1), effective_from=date(2026, 1, 1)
        )
    return deployment


def make_run(project: Project, *, examples: int = 3, **values: Any) -> Run:
    defaults: dict[str, Any] = {
        "name": "Nightly",
        "scorers": ["contains"],
        "prompt_version": values.get("prompt_version") or make_prompt_version(project),
    }
    values.setdefault("deployments", None)
    values["deployments"] = values["deployments"] or [priced()]
    version = make_dataset(project, examples=examples, name=f"Questions {Run.objects.count() + 1}")
    return start_run(project=project, dataset_version=version, **(defaults | values))


def make_recorded_run(project: Project, *, examples: int = 3, missing: int = 0) -> Run:
    """A run over outputs that were recorded elsewhere; the last ``missing`` examples have none."""
    account = make_account(project, kind=ProviderKind.RECORDED, base_url="", credential_encrypted=b"")
    deployment = make_deployment(account, name="old-model", model="old-model", rpm=None)
    run = make_run(project, examples=examples, deployments=[deployment], scorers=["contains", "token_f1"])
    for example in run.dataset_version.examples.order_by("position")[: examples - missing]:
        RecordedOutput.objects.create(
            example=example, model="old-model", text=example.reference, hallucinated=example.position == 0
        )
    return run


def work(run: Run, provider: Any, *, clock: Callable[[], datetime] | None = None) -> ShardEnd:
    """One shard in this process."""
    clients = ClientPool(transport=httpx.MockTransport(provider))
    return asyncio.run(run_shard(run.id, clock=clock or Clock(), clients=clients))


def claim(run: Run, *, token: str = "t1", limit: int = 10, bound: int = 0, now: datetime = NOW) -> Claim:
    wanted = {deployment.pk: limit for deployment in run.deployments.all()}
    return claim_cells(run_id=run.id, wanted=wanted, token=token, bound=lambda cell: bound, now=now)


def answer(cell: Cell, *, token: str = "t1", cost: int = 0, judge: int = 0, text: str = "10 days") -> Answer:
    return Answer(
        cell_id=cell.pk,
        token=token,
        request_id=f"r{cell.pk}{token}",
        output=text,
        model_returned="writer",
        finish_reason="stop",
        input_tokens=1,
        output_tokens=1,
        cost_nanos=cost,
        latency_ms=5,
        ttft_ms=2,
        queue_ms=0,
        human_label=None,
        still_reserved_nanos=judge,
        at=NOW,
    )


def states(run: Run) -> Sequence[str]:
    return list(run.cells.order_by("id").values_list("state", flat=True))

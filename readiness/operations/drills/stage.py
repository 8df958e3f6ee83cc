"""What a drill works with: a model at the simulated service, the way to call it, and a report to write."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from secrets import token_hex
from typing import Any, Final, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone

from readiness.inference.dispatch import Call, Door, open_door
from readiness.lib.events import Purpose
from readiness.limits.queries import UpstreamState, incidents, upstream_state
from readiness.operations.drills.findings import Finding, Moment
from readiness.operations.drills.load import Load
from readiness.operations.drills.simulated import SimulatedModel
from readiness.operations.history import mark_of
from readiness.projects.models import Project, Tier
from readiness.providers.base import DeploymentSpec, Message
from readiness.providers.models import Deployment, PriceUnit
from readiness.providers.queries import deployment_spec
from readiness.providers.services import Price, create_account, create_deployment

T = TypeVar("T")
OpenDoor = Callable[[], AbstractAsyncContextManager[Door]]
Tell = Callable[[Moment], None]

TIER: Final = "drill"
"""The stage's own tier, without limits, for drills that are not about tiers."""
LONGEST_WAIT_S: Final = 60
_MESSAGE: Final = Message("user", "Say yes.")
_USD_PER_MILLION: Final = 1
_FLURRY: Final = timedelta(seconds=0.5)


@dataclass(kw_only=True)
class Stage:
    """Made by ``set_up``; ``findings`` and ``moments`` are the report."""

    model: SimulatedModel
    project: Project
    deployment: Deployment
    spec: DeploymentSpec
    quick: bool
    tell: Tell
    redis_pid: int | None = None
    """Of the arena's own Redis; None where a drill must not stop it."""
    open_door: OpenDoor = open_door
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    began_at: datetime = field(default_factory=timezone.now)
    findings: list[Finding] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)

    def pick(self, full: T, quick: T) -> T:
        """``quick`` for a rehearsal of a few seconds, which is no evidence."""
        return quick if self.quick else full

    def now(self) -> float:
        """Seconds since the drill began."""
        return asyncio.get_running_loop().time() - self.began

    def note(self, what: str) -> None:
        """Adds to the time line."""
        moment = Moment(at_s=round(self.now(), 3), what=what)
        self.moments.append(moment)
        self.tell(moment)

    def find(
        self,
        key: str,
        label: str,
        value: float,
        unit: str = "",
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """Adds a figure; with a threshold it is an expectation."""
        self.findings.append(
            Finding(
                key=key,
                label=label,
                value=round(value, 6),
                unit=unit,
                at_most=at_most,
                at_least=at_least,
            )
        )

    def expect(self, key: str, label: str, is_so: bool) -> None:
        """Adds something that must be so."""
        self.find(key, label, float(is_so), "fact", at_least=1)

    def call(self, **values: Any) -> Call:
        """A small call of the stage's own tier."""
        fields: dict[str, Any] = {
            "spec": self.spec,
            "messages": (_MESSAGE,),
            "max_tokens": 16,
            "project_id": self.project.pk,
            "tier": TIER,
            "tenant": "drill",
            "purpose": Purpose.APP,
        }
        return Call(**(fields | values))

    @asynccontextmanager
    async def load(self) -> AsyncIterator[Load]:
        """A door that is open for calls."""
        async with self.open_door() as door:
            yield Load(door)

    async def drain(self, load: Load) -> None:
        """One call that takes all tokens of the minute: what a bucket holds at first would hide its rate."""
        assert self.spec.quota.tpm
        await load.make(self.call(max_tokens=1))  # opens the connection, which would hold the big one up
        await load.make(self.call(max_tokens=self.spec.quota.tpm))
        load.ends.clear()

    async def state(self) -> UpstreamState:
        return await sync_to_async(upstream_state)(self.spec.upstream)

    async def until(self, reached: Callable[[UpstreamState], bool], *, seconds: float) -> bool:
        """Waits for a state of the queue; False when it did not come."""
        end = self.now() + seconds
        while not reached(await self.state()):
            if self.now() > end:
                return False
            await asyncio.sleep(0.05)
        return True

    async def read_incidents(self) -> None:
        """Puts what the limiter noted of the upstream into the time line; a flurry of the same once."""
        last: dict[str, datetime] = {}
        for incident in await sync_to_async(incidents)(self.spec.upstream, self.began_at):
            if incident.at - last.get(incident.kind, self.began_at - _FLURRY) < _FLURRY:
                continue
            last[incident.kind] = incident.at
            at_s = (incident.at - self.began_at).total_seconds()
            words = mark_of(incident).words
            self.moments.append(Moment(at_s=round(max(0.0, at_s), 3), what=f"{words[0].upper()}{words[1:]}."))
        self.moments.sort(key=lambda moment: moment.at_s)

    async def tiers(self) -> list[Tier]:
        """The site's tiers, the heaviest first, without the stage's own."""
        rows = Tier.objects.exclude(slug=TIER).order_by("-weight", "slug")
        return [tier async for tier in rows]


async def set_up(
    name: str,
    profile: Mapping[str, Any],
    quota: Mapping[str, Any],
    *,
    model: str,
    quick: bool,
    tell: Tell,
    redis_pid: int | None = None,
    open_door: OpenDoor = open_door,
) -> Stage:
    """A stage in this process's database and Redis, in front of a model of its own at the simulated service.

    ``profile`` is what the service is asked to be, ``quota`` what we take its limits to be. Raises
    ``NotSimulatedError``.
    """
    simulated = SimulatedModel(model)
    await simulated.prepare(profile)
    project, deployment = await sync_to_async(_rows)(name, model, quota)
    return Stage(
        model=simulated,
        project=project,
        deployment=deployment,
        spec=await sync_to_async(deployment_spec)(deployment.pk, timezone.now().date()),
        quick=quick,
        tell=tell,
        redis_pid=redis_pid,
        open_door=open_door,
    )


def _rows(name: str, model: str, quota: Mapping[str, Any]) -> tuple[Project, Deployment]:
    """A key that nobody used yet: the service counts its limits by key and model."""
    Tier.objects.get_or_create(
        slug=TIER, defaults={"name": "Drill", "weight": 1, "longest_wait_seconds": LONGEST_WAIT_S}
    )
    project = Project.objects.create(name=f"Drill: {name}", slug=f"drill-{name}")
    account = create_account(
        actor=None,
        project=project,
        name="Simulated AI service",
        base_url=settings.SIMULATOR_URL,
        api_key=f"sim-drill-{token_hex(8)}",
    )
    today, price = timezone.now().date(), Decimal(_USD_PER_MILLION)
    deployment = create_deployment(
        actor=None,
        account=account,
        prices=[Price(unit, price, today) for unit in (PriceUnit.INPUT_TOKEN, PriceUnit.OUTPUT_TOKEN)],
        name=model,
        model=model,
        **quota,
    )
    return project, deployment

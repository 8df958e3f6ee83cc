"""How the queues stand, for pages."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from redis.exceptions import ResponseError

from readiness.lib.redis import sync_redis
from readiness.lib.scopes import Scope
from readiness.limits.models import UpstreamSample
from readiness.limits.scripts import (
    Answer,
    arguments,
    is_unknown_function,
    keys,
    prefix,
    read,
    run,
    served_by_redis,
    version,
)
from readiness.limits.tickets import LimiterUnavailableError
from readiness.providers.models import Deployment

logger = logging.getLogger(__name__)

NO_REDIS = (
    "Redis does not answer. Until it is back, apps get at most half of each quota, and benchmarks and "
    "spot-checks wait."
)
"""What pages say of a Redis that is frozen or gone."""
_NO_UPSTREAM = "none"
"""For scripts that look at what a scope has used, whatever the upstream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketState:
    unit: str
    """``rpm``, ``tpm``, ``itpm``, ``otpm``, ``rpd`` or ``tpd``."""
    configured: float
    told: float | None
    """What the provider's own headers say, where that is less."""
    offered: float | None = None
    """What they said last, be it less or more; None as long as they said nothing."""
    limit: float
    """What is used now: the lesser of the two, after cuts."""
    level: float
    """Requests or tokens that could be spent now."""
    kind: str
    """Of window: continuous, sliding or fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """One tier, or one of its overrides, at one upstream."""

    name: str
    """Its scope: ``tier:free``, ``tier:free/12``."""
    weight: int
    waiting: int
    oldest_s: float
    """How long the oldest of its requests has been waiting; 0 when none is."""
    patience_s: float
    """How long that one waits at most: its line's longest wait, or one that it brought along."""
    served: float
    """Quota-seconds granted within this minute and the last."""
    backlog: float
    """Quota-seconds that wait."""
    tenants: int
    """That wait, parked ones included."""
    parked: int
    """Tenants at their cap of calls in flight."""

    @property
    def tier(self) -> str:
        return Scope.parse(self.name).tier


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamState:
    upstream: str
    buckets: tuple[BucketState, ...] = ()
    """Empty for an upstream that no call was made to since Redis started."""
    account: tuple[BucketState, ...] = ()
    """Of the whole account above it."""
    stated: Mapping[str, float] = field(default_factory=dict)
    """Limits per minute that the provider's headers state, limited here or not, by ``tickets.UNITS``."""
    in_flight: int = 0
    concurrency: int | None = None
    places: int | None = None
    """Calls in flight that are allowed now: fewer after the provider was overloaded."""
    pause_s: float = 0.0
    """Seconds until calls go on after the provider said 429; 0 when nothing is paused."""
    open_s: float = 0.0
    """Seconds until a failing deployment is tried again; 0 while its circuit is closed."""
    out_of_credit: bool = False
    share: float = 1.0
    """Part of the quota that is used, less than 1 after a cut."""
    jitter_s: float = 0.0
    """How much the way to the provider is taken to vary."""
    lines: tuple[LineState, ...] = ()

    @property
    def jitter_ms(self) -> float:
        return self.jitter_s * 1000

    @property
    def waiting(self) -> int:
        return sum(line.waiting for line in self.lines)

    @property
    def oldest_s(self) -> float:
        return max((line.oldest_s for line in self.lines), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Money of the running day and month in nano-dollars, with what is reserved for calls that wait or run.

    None where Redis does not know it: no call was checked against a budget of the scope yet.
    """

    day_nanos: int | None
    month_nanos: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that happened to an upstream: a pause, a cut, a circuit, a quota that turned out smaller."""

    kind: str
    at: datetime
    detail: Mapping[str, Any]


def upstream_of(deployment_id: int) -> str:
    """The limiter's name for a deployment; ``DeploymentSpec.upstream`` is the same."""
    return f"d{deployment_id}"


def upstream_state(upstream: str) -> UpstreamState:
    """One atomic snapshot. Raises ``LimiterUnavailableError``."""
    return _state(upstream, run("inspect", upstream)["state"])


def _state(upstream: str, text: str) -> UpstreamState:
    if not text:
        return UpstreamState(upstream=upstream)
    raw = json.loads(text)
    return UpstreamState(
        upstream=upstream,
        buckets=_buckets(raw["buckets"]),
        account=_buckets(raw.get("account")),
        stated=dict(raw.get("stated") or {}),  # Lua cannot tell an empty list from an empty mapping
        in_flight=raw["in_flight"],
        concurrency=raw.get("concurrency"),
        places=raw.get("places"),
        pause_s=raw["pause_ms"] / 1000,
        open_s=raw["open_ms"] / 1000,
        out_of_credit="circuit" in raw,
        share=raw["share"],
        jitter_s=raw["jitter_ms"] / 1000,
        lines=tuple(_line(name, raw["lines"][name]) for name in sorted(raw["lines"])),
    )


def _buckets(raw: Any) -> tuple[BucketState, ...]:
    # Lua cannot tell an empty list from an empty mapping.
    return tuple(
        BucketState(
            unit=shown["name"],
            configured=shown["configured"],
            told=shown.get("told"),
            offered=shown.get("offered"),
            limit=shown["limit"],
            level=shown["level"],
            kind=shown["kind"],
        )
        for shown in raw or ()
    )


def _line(name: str, raw: Mapping[str, Any]) -> LineState:
    return LineState(
        name=name,
        weight=raw.get("weight", 1),
        waiting=raw["waiting"],
        oldest_s=raw["oldest_ms"] / 1000,
        patience_s=raw["patience_ms"] / 1000,
        served=raw["served"],
        backlog=raw["backlog"],
        tenants=raw["tenants"],
        parked=raw["parked"],
    )


def incidents(upstream: str, since: datetime) -> list[Incident]:
    """What happened to the upstream, oldest first: at most the last thousand.

    Raises ``LimiterUnavailableError``.
    """
    key, start = f"{prefix(upstream)}history", round(since.timestamp() * 1000)
    with served_by_redis():
        entries: Any = sync_redis().xrange(key, min=start)
    return [
        Incident(
            kind=fields["kind"],
            at=datetime.fromtimestamp(int(fields["at_ms"]) / 1000, UTC),
            detail=json.loads(fields["detail"] or "{}"),
        )
        for _, fields in entries
    ]


def samples_since(deployment: Deployment, since: datetime) -> QuerySet[UpstreamSample]:
    """How the deployment stood in each minute that it was looked at, oldest first."""
    return UpstreamSample.objects.filter(deployment=deployment, at__gte=since).order_by("at")


def stated_limits(deployment: Deployment, since: datetime) -> dict[str, float]:
    """Limits per minute that the provider's headers stated last, by ``tickets.UNITS``.

    What Redis has lost since is taken from the samples after ``since``. Raises ``LimiterUnavailableError``.
    """
    now = upstream_state(upstream_of(deployment.pk)).stated
    known = samples_since(deployment, since).exclude(stated={}).last()
    return {**(known.stated if known else {}), **now}


def last_samples(deployments: Iterable[Deployment]) -> dict[int, UpstreamSample]:
    """How each deployment stood when it was last seen, by deployment id; one query."""
    newest = UpstreamSample.objects.filter(deployment=OuterRef("pk")).order_by("-at").values("pk")[:1]
    rows = Deployment.objects.filter(pk__in=[row.pk for row in deployments])
    found = UpstreamSample.objects.filter(pk__in=rows.annotate(newest=Subquery(newest)).values("newest"))
    return {sample.deployment_id: sample for sample in found}


def upstream_states(upstreams: Iterable[str]) -> dict[str, UpstreamState]:
    """A snapshot of each, all in one round trip; without those that cannot be read.

    Raises ``LimiterUnavailableError``.
    """
    names = list(upstreams)
    try:
        answers = _run_all("inspect", [(name, ()) for name in names])
    except ResponseError:  # about one of them, which must not hide the others
        return {name: state for name in names if (state := readable_state(name))}
    return {name: _state(name, answer["state"]) for name, answer in zip(names, answers, strict=True)}


def readable_state(upstream: str) -> UpstreamState | None:
    """As ``upstream_state``; None, and a line in the log, when the scripts fail on what Redis holds of it."""
    try:
        return upstream_state(upstream)
    except ResponseError:
        logger.exception("What Redis holds of upstream %s cannot be read.", upstream)
        return None


def spent_under_caps(scopes: Iterable[Scope]) -> dict[Scope, Spent]:
    """What each has used of its budgets, all in one round trip. Raises ``LimiterUnavailableError``."""
    asked = list(scopes)
    answers = _run_all("spent", [(_NO_UPSTREAM, (str(scope),)) for scope in asked])
    return {
        scope: Spent(day_nanos=_nanos(answer["day"]), month_nanos=_nanos(answer["month"]))
        for scope, answer in zip(asked, answers, strict=True)
    }


def _nanos(text: str) -> int | None:
    return int(text) if text else None


def _run_all(script: str, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Answer]:
    """The script's answers for many upstreams and arguments. Raises ``LimiterUnavailableError``."""
    try:
        with served_by_redis():
            return _pipelined(script, calls)
    except ResponseError as error:
        if not is_unknown_function(error):
            raise
    # One by one, which loads the library where it is missing.
    return [run(script, upstream, *args) for upstream, args in calls]


def _pipelined(script: str, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Answer]:
    """In one round trip; redis-py's errors pass."""
    pipeline = sync_redis().pipeline(transaction=False)
    for upstream, args in calls:
        pipeline.fcall(f"{version()}{script}", 2, *keys(upstream), *arguments(args))
    # Errors as the server words them: redis-py would put the command in front.
    answers: list[Any] = pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return [read(answer) for answer in answers]


def redis_health() -> str:
    """Plain words when Redis does not answer, empty when it does."""
    try:
        with served_by_redis():
            sync_redis().ping()
    except LimiterUnavailableError:
        return NO_REDIS
    return ""

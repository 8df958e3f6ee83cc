"""What a preview replays: the last day's request records, or a trace file."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from django.db.models import QuerySet

from readiness.lib.events import Outcome
from readiness.limits.queries import upstream_of
from readiness.limits.replay import Demand, Upstream
from readiness.limits.tickets import Cost
from readiness.operations.preview_subjects import Subject
from readiness.operations.preview_traces import Trace, TraceRow
from readiness.projects.models import AllowanceKind
from readiness.providers.base import Usage
from readiness.providers.models import Deployment
from readiness.providers.queries import account_quota_of, prices_on, quota_of
from readiness.telemetry.models import RequestRecord

MOST_REQUESTS = 20_000
LOOKS_BACK = timedelta(days=1)

TRACE_FIRST_MS, TRACE_PER_TOKEN_MS = 500, 20
"""How long a traced call is taken to hold its place: to the first token, and for each token of output."""

_SENT = (Outcome.OK, Outcome.ORPHANED)
"""Outcomes whose records say what was used; the others say 0."""
_COLUMNS = (
    "at",
    "deployment_id",
    "outcome",
    "tier",
    "tenant",
    "project_id",
    "api_key",
    "end_user",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_nanos",
    "queue_ms",
    "provider_ms",
)


class NoDemandError(Exception):
    """There is nothing to replay. ``str(error)`` says how to get something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demanded:
    """Requests with the upstreams that they asked."""

    requests: Sequence[Demand]
    upstreams: Mapping[str, Upstream]
    left_out: int
    """Requests beyond the bound."""
    estimated: int
    """Requests whose use is not recorded, because they were never answered."""


@dataclass(frozen=True, slots=True)
class _Use:
    """What a call uses. Times in milliseconds."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    nanos: int
    hold_ms: int


def recorded_demand(subject: Subject, now: datetime) -> Demanded:
    """The newest requests of the last 24 hours, whatever became of them. Raises ``NoDemandError``."""
    recent = recent_requests(now)
    records = list(recent.values_list(*_COLUMNS, named=True)[:MOST_REQUESTS])
    if not records:
        raise NoDemandError(
            "No request was recorded in the last 24 hours, so there is nothing to replay. Let the app or a "
            "benchmark make some calls, or replay a trace file."
        )
    typical = _Typical(records)
    return Demanded(
        requests=[_of_record(record, typical, subject) for record in records],
        upstreams=_upstreams({record.deployment_id for record in records}),
        left_out=recent.count() - len(records) if len(records) == MOST_REQUESTS else 0,
        estimated=sum(record.outcome not in _SENT for record in records),
    )


def recent_requests(now: datetime) -> QuerySet[RequestRecord]:
    """Of all projects, the newest first."""
    # Each attempt has a record; the last stands for the request, or an outage would look like more demand.
    asked = RequestRecord.objects.filter(final=True, deployment__isnull=False)
    return asked.filter(at__gt=now - LOOKS_BACK, at__lte=now).order_by("-at", "-id")


class _Typical:
    """What an answered call of a deployment and tier uses: medians, for those that were never answered."""

    def __init__(self, records: Iterable[Any]) -> None:
        self._seen: dict[tuple[int, str], list[_Use]] = defaultdict(list)
        for record in records:
            if record.outcome == Outcome.OK:
                use = _use_of(record, hold_ms=max(1, record.provider_ms))
                for key in self._keys(record):
                    self._seen[key].append(use)
        self._medians: dict[tuple[int, str], _Use] = {}

    @staticmethod
    def _keys(record: Any) -> tuple[tuple[int, str], ...]:
        """From the nearest comparison to the widest."""
        return (record.deployment_id, record.tier), (record.deployment_id, ""), (0, "")

    def of(self, record: Any) -> _Use:
        for key in self._keys(record):
            if key in self._seen:
                if key not in self._medians:
                    self._medians[key] = _median(self._seen[key])
                return self._medians[key]
        return _Use(1, 1, 0, 0, TRACE_FIRST_MS)


def _median(uses: Sequence[_Use]) -> _Use:
    names = ("input_tokens", "output_tokens", "cached_tokens", "nanos", "hold_ms")
    return _Use(*(round(median(getattr(use, name) for use in uses)) for name in names))


def _use_of(record: Any, hold_ms: int) -> _Use:
    return _Use(
        record.input_tokens, record.output_tokens, record.cached_tokens, record.cost_nanos, hold_ms=hold_ms
    )


def _of_record(record: Any, typical: _Typical, subject: Subject) -> Demand:
    took = max(0, record.provider_ms)
    use = typical.of(record)
    if record.outcome in _SENT:
        use = _use_of(record, hold_ms=took or use.hold_ms)
    asked_at = record.at - timedelta(milliseconds=took + record.queue_ms)
    return _demand(
        use,
        subject,
        at_ms=round(asked_at.timestamp() * 1000),
        upstream=upstream_of(record.deployment_id),
        tier=record.tier,
        tenant=record.tenant,
        project_id=record.project_id or 0,
        api_key=record.api_key,
        end_user=record.end_user,
    )


def _demand(use: _Use, subject: Subject, **asked: Any) -> Demand:
    """The longest answer that was allowed is not recorded: what was really used stands for it."""
    cost = Cost(
        tokens=max(use.input_tokens, use.output_tokens, 1),
        input_tokens=use.input_tokens - use.cached_tokens,
        output_tokens=use.output_tokens,
    )
    apart = subject.covers(tier=asked["tier"], project_id=asked["project_id"], end_user=asked["end_user"])
    return Demand(
        cost=cost,
        actual=cost,
        tokens=use.input_tokens + use.output_tokens,
        nanos=use.nanos,
        hold_ms=max(1, use.hold_ms),
        group=f"{asked['tier']} (overridden)" if apart else asked["tier"],
        **asked,
    )


def _upstreams(deployment_ids: Iterable[int]) -> dict[str, Upstream]:
    """With the quotas that the deployments have now."""
    deployments = Deployment.objects.filter(pk__in=list(deployment_ids)).select_related("account")
    return {
        upstream_of(deployment.pk): Upstream(
            quota=quota_of(deployment),
            account=f"a{deployment.account_id}",
            account_quota=account_quota_of(deployment.account),
        )
        for deployment in deployments
    }


def traced_demand(trace: Trace, subject: Subject, now: datetime) -> Demanded:
    """The requests of a file as if the first of them came now. Raises ``NoDemandError``."""
    deployment = Deployment.objects.select_related("account").filter(pk=trace.deployment_id).first()
    if deployment is None:
        raise NoDemandError("The deployment was deleted meanwhile. Upload the trace again for another one.")
    prices = prices_on(deployment, _day(now))
    tiers = _tiers(trace)
    start = round(now.timestamp() * 1000)

    def demand(row: TraceRow, tier: str) -> Demand:
        usage = Usage(input_tokens=row.input_tokens, output_tokens=row.output_tokens)
        hold_ms = TRACE_FIRST_MS + TRACE_PER_TOKEN_MS * row.output_tokens
        use = _Use(row.input_tokens, row.output_tokens, 0, prices.cost_nanos(usage), hold_ms)
        return _demand(
            use,
            subject,
            at_ms=start + row.at_ms,
            upstream=upstream_of(deployment.pk),
            tier=tier,
            tenant=row.tenant or row.end_user,
            project_id=subject.project_id or deployment.account.project_id or 0,
            end_user=row.end_user,
            api_key=subject.whom if subject.allowance == AllowanceKind.API_KEY else "",
        )

    requests = [demand(row, tier) for row, tier in zip(trace.rows, tiers, strict=True)]
    upstreams = _upstreams([deployment.pk])
    return Demanded(requests=requests, upstreams=upstreams, left_out=trace.left_out, estimated=0)


def _day(now: datetime) -> date:
    return now.date()


def _tiers(trace: Trace) -> list[str]:
    """Each request's own tier; where it names none, one of the mix, drawn the same way each time."""
    draw = random.Random(0)  # noqa: S311 - no secret
    names, parts = list(trace.mix), list(trace.mix.values())
    return [row.tier or draw.choices(names, parts)[0] for row in trace.rows]

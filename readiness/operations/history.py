"""The time line of one upstream: who waited, what was left of its limits, and what happened to it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from readiness.lib.formats import format_compact, format_milliseconds, format_percent
from readiness.limits.models import UpstreamSample
from readiness.limits.queries import Incident, incidents, samples_since, upstream_of
from readiness.limits.tickets import LimiterUnavailableError
from readiness.providers.models import Deployment


@dataclass(frozen=True, slots=True)
class Span:
    """How far the time line goes back, and the step that its samples are brought to."""

    name: str
    label: str
    length: timedelta
    step: timedelta


SPANS: Final[Mapping[str, Span]] = {
    span.name: span
    for span in (
        Span("1h", "Last hour", timedelta(hours=1), timedelta(minutes=1)),
        Span("6h", "6 hours", timedelta(hours=6), timedelta(minutes=2)),
        Span("24h", "24 hours", timedelta(hours=24), timedelta(minutes=5)),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One step. The most that waited, the least that was left."""

    at: datetime
    """Beginning of the step."""
    waiting: Mapping[str, int]
    """By tier's slug."""
    oldest_s: float
    level: float | None
    """Of the limit that had least left, 0 to 1; None where there is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened."""

    kind: str
    """Its heading in the chart's legend."""
    at: datetime
    until: datetime | None
    """Of what lasts, such as a pause."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLine:
    since: datetime
    until: datetime
    step: timedelta
    points: Sequence[Point | None]
    """One for each step; None where nobody looked."""
    marks: Sequence[Mark]
    marks_known: bool
    """False when Redis, which remembers them, does not answer."""

    @property
    def tiers(self) -> Sequence[str]:
        """Slugs of the tiers that waited at any time."""
        return sorted({tier for point in self.points if point for tier in point.waiting})

    @property
    def starts(self) -> Sequence[datetime]:
        return [self.since + self.step * i for i in range(len(self.points))]


def time_line(deployment: Deployment, span: Span, now: datetime) -> TimeLine:
    """Of the last ``span`` up to now; one query."""
    since = _floor(now, span.step) - span.length + span.step
    steps = round(span.length / span.step)
    try:
        marks, known = [mark_of(told) for told in incidents(upstream_of(deployment.pk), since)], True
    except LimiterUnavailableError:
        marks, known = [], False
    return TimeLine(
        since=since,
        until=now,
        step=span.step,
        points=_points(samples_since(deployment, since), since, span.step, steps),
        marks=marks,
        marks_known=known,
    )


def _floor(moment: datetime, step: timedelta) -> datetime:
    seconds = step.total_seconds()
    return datetime.fromtimestamp(math.floor(moment.timestamp() / seconds) * seconds, moment.tzinfo)


def _points(
    samples: Iterable[UpstreamSample], since: datetime, step: timedelta, steps: int
) -> list[Point | None]:
    found: dict[int, list[UpstreamSample]] = {}
    for sample in samples:
        found.setdefault((sample.at - since) // step, []).append(sample)
    return [_point(since + step * i, found[i]) if i in found else None for i in range(steps)]


def _point(at: datetime, samples: Sequence[UpstreamSample]) -> Point:
    tiers = {tier for sample in samples for tier in sample.waiting_by_tier}
    levels = [level for sample in samples for level in sample.levels.values()]
    return Point(
        at=at,
        waiting={tier: max(sample.waiting_by_tier.get(tier, 0) for sample in samples) for tier in tiers},
        oldest_s=max(sample.oldest_ms for sample in samples) / 1000,
        level=min(levels, default=None),
    )


_HEADINGS: Final = {
    "pause": "429, pause",
    "cut": "Cut",
    "quota": "Smaller quota",
    "overloaded": "Overloaded",
    "too many at once": "Too many at once",
    "out_of_credit": "Out of credit",
    "circuit opened": "Circuit opened",
    "circuit closed": "Circuit closed",
    "resumed": "Resumed",
    "data lost": "Redis lost its data",
    "admitted without redis": "Without Redis",
}


def mark_of(told: Incident) -> Mark:
    """The incident as the chart and its table show it."""
    lasts = told.detail.get("milliseconds")
    return Mark(
        kind=_HEADINGS.get(told.kind, told.kind),
        at=told.at,
        until=told.at + timedelta(milliseconds=lasts) if lasts else None,
        words=_words(told.kind, told.detail),
    )


def _words(kind: str, detail: Mapping[str, Any]) -> str:
    match kind:
        case "pause":
            return f"the provider answered 429, pause of {format_milliseconds(detail['milliseconds'])}"
        case "cut":
            return f"cut to {format_percent(detail['share'], 0)} of the quota"
        case "quota":
            told, configured = format_compact(detail["told"]), format_compact(detail["configured"])
            return f"the provider allows {told} {detail['bucket'].upper()}, not {configured}"
        case "overloaded":
            return f"overloaded, down to {format_compact(detail['places'])} calls at a time"
        case "too many at once":
            return f"refused for too many calls at a time, down to {format_compact(detail['places'])}"
        case "circuit opened":
            return f"calls fail, next try after {format_milliseconds(detail['milliseconds'])}"
        case "admitted without redis":
            return f"{format_compact(detail['admitted'])} calls admitted by a process without Redis"
    return _OTHERS.get(kind, kind)


_OTHERS: Final = {
    "out_of_credit": "the account is out of credit, nothing is sent",
    "circuit closed": "a call succeeded again",
    "resumed": "resumed by an admin",
    "data lost": "Redis lost its data, buckets grew from empty",
}

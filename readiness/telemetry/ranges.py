"""Spans of time, and which rollups serve them: the ranges of the traffic page, and any span exactly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from readiness.telemetry.models import Grain
from readiness.telemetry.tallies import KEPT, SECONDS, window_start


def month_start(now: datetime) -> datetime:
    """Where the running month of budgets began."""
    today = now.astimezone(ZoneInfo(settings.BUDGET_TIME_ZONE))
    return today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Range:
    """A span of time, drawn in windows of one grain."""

    name: str
    label: str
    span: timedelta
    grain: Grain

    def windows(self, now: datetime) -> Sequence[datetime]:
        """Starts of all windows of the range, oldest first, the current one included."""
        step = timedelta(seconds=SECONDS[self.grain])
        last = window_start(now, self.grain)
        count = int(self.span / step)
        return [last - step * back for back in range(count - 1, -1, -1)]


RANGES = {
    r.name: r
    for r in (
        Range("1h", "Last hour", timedelta(hours=1), Grain.MINUTE),
        Range("24h", "24 hours", timedelta(hours=24), Grain.QUARTER),
        Range("7d", "7 days", timedelta(days=7), Grain.HOUR),
        Range("30d", "30 days", timedelta(days=30), Grain.HOUR),
    )
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a span, from ``since`` up to but without ``until``."""

    grain: Grain | None
    """Whose rollups hold it, all of it whole windows; None where only records do."""
    since: datetime
    until: datetime


def pieces(since: datetime, until: datetime, now: datetime) -> Iterator[Piece]:
    """The span cut into whole hours, at its edges into finer windows that are kept still, and the rest."""
    return _cut(since, until, now, (Grain.HOUR, Grain.QUARTER, Grain.MINUTE))


def _cut(since: datetime, until: datetime, now: datetime, grains: Sequence[Grain]) -> Iterator[Piece]:
    if since >= until:
        return
    if not grains:
        yield Piece(None, since, until)
        return
    grain, *finer = grains
    first, last = _next_window(since, grain), window_start(until, grain)
    if first >= last or (grain in KEPT and first < now - KEPT[grain]):
        yield from _cut(since, until, now, finer)
        return
    yield from _cut(since, first, now, finer)
    yield Piece(grain, first, last)
    yield from _cut(last, until, now, finer)


def _next_window(at: datetime, grain: Grain) -> datetime:
    """Start of the first window that does not begin before the moment."""
    start = window_start(at, grain)
    return start if start == at else start + timedelta(seconds=SECONDS[grain])

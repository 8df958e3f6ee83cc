"""From usage events to what they add to a rollup. Pure: no database, no clock."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from readiness.lib.events import Outcome, UsageEvent
from readiness.lib.histogram import Histogram
from readiness.telemetry.models import Grain

SECONDS: Final = {Grain.MINUTE: 60, Grain.QUARTER: 900, Grain.HOUR: 3600}
KEPT: Final = {Grain.MINUTE: timedelta(days=2), Grain.QUARTER: timedelta(days=32)}
"""How long fine rollups are kept; hours are kept for good. Quarters outlast a month: where days do not begin
at a full hour of UTC, a month's spending begins with a quarter."""

COUNTERS: Final = (
    "requests",
    "attempts",
    "delivered",
    "failed",
    "orphaned",
    "upstream_429",
    "refused",
    "absorbed",
    "input_tokens",
    "output_tokens",
    "cost_nanos",
)
HISTOGRAMS: Final = ("latency", "queue_wait", "ttft")

_REACHED_PROVIDER = {Outcome.OK, Outcome.FAILED, Outcome.CANCELLED, Outcome.ORPHANED}
UNSEEN: Final = ("unreachable", "unsent")
"""Error classes of attempts that no provider has seen: no connection, or cancelled before it was sent."""

_REFUSED_BY_US = {Outcome.REFUSED, Outcome.EXPIRED}


@dataclass(frozen=True, slots=True)
class Key:
    """One rollup row: a window and what it is about."""

    grain: Grain
    start: datetime
    project_id: int
    deployment_id: int | None
    tier: str
    purpose: str


@dataclass(slots=True)
class Tally:
    """What a set of events adds to one rollup; counters may be negative when an event is taken back."""

    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    added: dict[str, Histogram] = field(default_factory=lambda: {n: Histogram() for n in HISTOGRAMS})
    removed: dict[str, Histogram] = field(default_factory=lambda: {n: Histogram() for n in HISTOGRAMS})

    def add(self, event: UsageEvent, sign: int = 1) -> Self:
        """Adds an event, or takes it back with ``sign=-1``."""
        for name, amount in _amounts(event).items():
            self.counters[name] += sign * amount
        histograms = self.added if sign > 0 else self.removed
        for name, value in _durations(event).items():
            if value >= 0:
                histograms[name].add(value)
        return self


def _amounts(event: UsageEvent) -> dict[str, int]:
    reached = event.outcome in _REACHED_PROVIDER and event.error_class not in UNSEEN
    ended = event.final
    return {
        "requests": int(ended),
        "attempts": int(reached),
        "delivered": int(ended and event.outcome == Outcome.OK),
        "failed": int(ended and event.outcome in {Outcome.FAILED, Outcome.CANCELLED}),
        "orphaned": int(event.outcome == Outcome.ORPHANED),
        "upstream_429": int(event.http_status == 429 and reached),
        "refused": int(event.outcome in _REFUSED_BY_US),
        "absorbed": int(ended and event.queued and event.outcome == Outcome.OK),
        "input_tokens": event.input_tokens,
        "output_tokens": event.output_tokens,
        "cost_nanos": event.cost_nanos,
    }


def _durations(event: UsageEvent) -> dict[str, int]:
    """Milliseconds; -1 where the event says nothing of it. An orphan's times are not measurements."""
    if event.outcome == Outcome.ORPHANED:
        return {}
    delivered = event.outcome == Outcome.OK
    return {
        "latency": event.provider_ms if delivered else -1,
        "queue_wait": event.queue_ms if event.final else -1,
        "ttft": event.ttft_ms if delivered else -1,
    }


_EPOCH = datetime.fromtimestamp(0, UTC)


def window_start(at: datetime, grain: Grain) -> datetime:
    """Start of the window that a moment belongs to; windows are aligned to the hour in UTC."""
    return at.astimezone(UTC) - (at - _EPOCH) % timedelta(seconds=SECONDS[grain])


def keys_of(event: UsageEvent, at: datetime, deployment_id: int | None) -> Iterable[Key]:
    """The rollup rows that an event belongs to, one for each grain."""
    for grain in Grain:
        start = window_start(at, grain)
        yield Key(grain, start, event.project_id, deployment_id, event.tier, event.purpose)

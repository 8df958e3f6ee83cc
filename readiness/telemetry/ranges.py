"""The time ranges that the traffic page offers, and which rollups serve them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from readiness.telemetry.models import Grain
from readiness.telemetry.tallies import SECONDS, window_start


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

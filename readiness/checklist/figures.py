"""The figures of the last 24 hours on the overview."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from readiness.projects.models import Project
from readiness.reviews.queries import waiting_count
from readiness.telemetry.queries import Filters, Traffic, spend_nanos, traffic
from readiness.telemetry.ranges import RANGES, month_start

SPARK_WIDTH, SPARK_HEIGHT = 188, 26
_MARGIN = 2.0
"""Room for the line's width at the top and the bottom."""


@dataclass(frozen=True, kw_only=True)
class DayFigures:
    """Traffic of the last 24 hours, and what waits."""

    traffic: Traffic
    spend_month_nanos: int
    reviews_waiting: int

    @property
    def delivered_share(self) -> float | None:
        total = self.traffic.total
        return total.delivered / total.requests if total.requests else None

    @property
    def latency_p95(self) -> float | None:
        return self.traffic.total.latency.quantile(0.95)

    @property
    def wait_p95(self) -> float | None:
        return self.traffic.total.queue_wait.quantile(0.95)

    @property
    def spark(self) -> str:
        """Points of the line of requests for an SVG of ``SPARK_WIDTH`` x ``SPARK_HEIGHT``."""
        return spark_points([window.requests for window in self.traffic.windows])


def day_figures(project: Project, now: datetime) -> DayFigures:
    """All of it from rollups, in a fixed number of queries."""
    return DayFigures(
        traffic=traffic(project, RANGES["24h"], Filters(), now),
        spend_month_nanos=spend_nanos(project, month_start(now)),
        reviews_waiting=waiting_count(project),
    )


def spark_points(values: Sequence[int]) -> str:
    """``x,y`` pairs from left to right, zero at the bottom; empty for fewer than two values."""
    if len(values) < 2:
        return ""
    top = max(*values, 1)
    room = SPARK_HEIGHT - 2 * _MARGIN
    step = SPARK_WIDTH / (len(values) - 1)
    return " ".join(
        f"{index * step:.1f},{SPARK_HEIGHT - _MARGIN - value / top * room:.1f}"
        for index, value in enumerate(values)
    )

"""How long requests were told that they would wait, against how long they did."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from django.db.models import QuerySet, Sum

from readiness.lib.events import Outcome
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.telemetry.models import Grain, RequestRecord, Rollup
from readiness.telemetry.tallies import window_start

LOOKED_BACK: Final = timedelta(hours=24)
MOST_READ: Final = 5_000
CLOSE: Final = 0.2
"""A prediction is close when the wait differs by at most this part of it."""

_EDGES_S: Final = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)
_SERVED: Final = (Outcome.OK, Outcome.FAILED, Outcome.ORPHANED)
"""Of the others the whole wait is not known: they left the queue, or were turned away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Requests that were predicted about the same wait. Seconds."""

    low: float
    high: float
    """Edges of the prediction; the last bin has no upper one."""
    count: int
    predicted: float
    """Median, as are ``wait``'s; ``shortest`` and ``longest`` hold eight in ten."""
    wait: float
    shortest: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    count: int
    capped: bool
    """True when there were more, of which the newest are counted."""
    error_s: float | None
    """Median of wait minus prediction; None without any, as is the next."""
    close: float | None
    """Part of the predictions that were close, of 1."""
    bins: Sequence[Bin]


def waits(project: Project, deployment: Deployment, now: datetime) -> Waits:
    """The project's requests that waited at the deployment within a day and were served; one query."""
    rows = predicted_since(project, deployment, now - LOOKED_BACK)
    pairs = list(rows.values_list("predicted_ms", "queue_ms")[:MOST_READ])
    return compared([(predicted / 1000, waited / 1000) for predicted, waited in pairs])


def predicted_since(project: Project, deployment: Deployment, since: datetime) -> QuerySet[RequestRecord]:
    """Requests of the project whose wait at the deployment was predicted and is known, the newest first."""
    return RequestRecord.objects.filter(
        project=project,
        deployment=deployment,
        at__gte=since,
        predicted_ms__gte=0,  # the condition of the index ``record_predicted``
        outcome__in=_SERVED,
    ).order_by("-at")


def compared(pairs: Sequence[tuple[float, float]]) -> Waits:
    """Predictions against waits. ``pairs``: (predicted, waited) in seconds."""
    errors = [waited - predicted for predicted, waited in pairs]
    close = [abs(error) <= CLOSE * predicted for error, (predicted, _) in zip(errors, pairs, strict=True)]
    return Waits(
        count=len(pairs),
        capped=len(pairs) >= MOST_READ,
        error_s=median(errors) if errors else None,
        close=sum(close) / len(close) if close else None,
        bins=_bins(pairs),
    )


def _bins(pairs: Iterable[tuple[float, float]]) -> list[Bin]:
    sorted_in: dict[int, list[tuple[float, float]]] = {}
    for pair in pairs:
        sorted_in.setdefault(bisect_right(_EDGES_S, pair[0]), []).append(pair)
    edges = (0.0, *_EDGES_S, math.inf)
    return [_bin(edges[place], edges[place + 1], sorted_in[place]) for place in sorted(sorted_in)]


def _bin(low: float, high: float, pairs: Sequence[tuple[float, float]]) -> Bin:
    waited = sorted(wait for _, wait in pairs)
    last = len(waited) - 1
    return Bin(
        low=low,
        high=high,
        count=len(pairs),
        predicted=median(predicted for predicted, _ in pairs),
        wait=median(waited),
        shortest=waited[round(0.1 * last)],
        longest=waited[round(0.9 * last)],
    )


def orphans(project: Project, deployment: Deployment, now: datetime) -> int:
    """Calls of about a day whose process died before it could say how they ended, from whole hours."""
    rows = Rollup.objects.filter(
        project=project,
        deployment=deployment,
        grain=Grain.HOUR,
        start__gte=window_start(now - LOOKED_BACK, Grain.HOUR),
    )
    total: int = rows.aggregate(total=Sum("orphaned", default=0))["total"]
    return total

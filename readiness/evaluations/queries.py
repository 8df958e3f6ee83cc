"""Reads of runs for pages, for the checklist and for the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from readiness.evaluations.models import Cell, CellState, Run, RunState
from readiness.projects.models import Project

INCOMPLETE_ABOVE = 0.02
"""A run with a larger share of failed cells is incomplete: it never counts as passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    total: int
    done: int
    failed: int
    in_flight: int
    spent_nanos: int
    budget_nanos: int | None
    time_left: timedelta | None
    """Estimated from the pace so far; None before there is a pace and after the end."""

    @property
    def pending(self) -> int:
        return self.total - self.done - self.failed - self.in_flight

    @property
    def finished(self) -> int:
        return self.done + self.failed

    @property
    def incomplete(self) -> bool:
        """Too many failures for a verdict."""
        return self.finished > 0 and self.failed / self.finished > INCOMPLETE_ABOVE


def runs_of(project: Project) -> QuerySet[Run]:
    """The project's runs, newest first, with what a list shows of them."""
    return Run.objects.filter(project=project).select_related(
        "dataset_version__dataset", "prompt_version__prompt", "created_by"
    )


def progress(run: Run, now: datetime) -> Progress:
    """How far one run is."""
    return progress_of([run], now)[run.pk]


def progress_of(runs: Sequence[Run], now: datetime) -> dict[UUID, Progress]:
    """How far each run is, by run id, in one query."""
    rows = (
        Cell.objects.filter(run__in=runs)
        .order_by()
        .values("run_id")
        .annotate(
            total=Count("id"),
            done=Count("id", filter=Q(state=CellState.DONE)),
            failed=Count("id", filter=Q(state=CellState.FAILED)),
            in_flight=Count("id", filter=Q(state=CellState.LEASED)),
        )
    )
    counts = {row["run_id"]: row for row in rows}
    return {run.pk: _progress(run, counts.get(run.pk, {}), now) for run in runs}


def _progress(run: Run, counts: Mapping[str, Any], now: datetime) -> Progress:
    total, done, failed = (counts.get(name, 0) for name in ("total", "done", "failed"))
    return Progress(
        total=total,
        done=done,
        failed=failed,
        in_flight=counts.get("in_flight", 0),
        spent_nanos=run.spent_nanos,
        budget_nanos=run.budget_nanos,
        time_left=_time_left(run, done + failed, total, now),
    )


def _time_left(run: Run, finished: int, total: int, now: datetime) -> timedelta | None:
    if run.state != RunState.RUNNING or run.started_at is None or not finished:
        return None
    return (now - run.started_at) / finished * (total - finished)


def finished_runs(project: Project) -> QuerySet[Run]:
    """Runs that ended by themselves, newest first: the only ones that become evidence."""
    return runs_of(project).filter(state=RunState.DONE).order_by("-finished_at")


def answered_cells(run: Run) -> QuerySet[Cell]:
    """Cells with an answer, in the dataset's order."""
    return run.cells.filter(state=CellState.DONE).order_by("example__position", "deployment_id", "trial")


def failed_cells(run: Run) -> QuerySet[Cell]:
    """Cells that ended without an answer."""
    return run.cells.filter(state=CellState.FAILED)

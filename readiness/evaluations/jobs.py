"""RQ entry points of runs: ids in, and the rows are the truth, so a job that runs twice does no harm."""

import asyncio
from datetime import datetime
from uuid import UUID

import django_rq
from django.utils import timezone

from readiness.evaluations.models import CellState, Run
from readiness.evaluations.runner import run_shard as run_shard_async
from readiness.evaluations.services.cells import reap_run
from readiness.evaluations.services.runs import ACTIVE, finish_if_complete

QUEUE = "benchmarks"
SHARDS = 2
"""Shards that a run starts with; more workers than that take other runs."""


def enqueue_shards(run_id: UUID, count: int = SHARDS) -> None:
    """Puts shards of a run into the queue; call it after the commit that made the run active."""
    queue = django_rq.get_queue(QUEUE)
    for _ in range(count):
        queue.enqueue(run_shard, str(run_id))


def run_shard(run_id: str) -> int:
    """Works on a run; hands over to a new job when its time is over. Returns the number of cells finished."""
    try:
        end = asyncio.run(run_shard_async(UUID(run_id), clock=timezone.now))
    except Run.DoesNotExist:  # deleted with its project while the job waited
        return 0
    if end.more:
        enqueue_shards(UUID(run_id), count=1)
    return end.finished


def reap_expired_leases() -> int:
    """Frees the cells of dead workers and restarts runs that nobody works on; returns how many cells."""
    return sum(_reap(run, timezone.now()) for run in Run.objects.filter(state__in=ACTIVE))


def _reap(run: Run, now: datetime) -> int:
    freed = reap_run(run_id=run.id, now=now)
    pending = run.cells.filter(state=CellState.PENDING).exists()
    in_flight = run.cells.filter(state=CellState.LEASED).exists()
    if pending and not in_flight and not _has_queued_shard(run.id):
        enqueue_shards(run.id)
    elif not pending and not in_flight:
        finish_if_complete(run_id=run.id, now=now)
    return freed


def _has_queued_shard(run_id: UUID) -> bool:
    """True when a shard of the run waits in the queue; without this, each minute would add another."""
    return any(
        job.args == [str(run_id)] or job.args == (str(run_id),) for job in django_rq.get_queue(QUEUE).jobs
    )

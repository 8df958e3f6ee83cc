"""Jobs through a real queue and RQ's own worker, with recorded outputs as the work."""

from datetime import timedelta
from uuid import uuid4

import django_rq
import pytest
from django.utils import timezone
from rq import SimpleWorker

from readiness.evaluations import jobs
from readiness.evaluations.models import Run, RunState
from tests.evaluations.support import claim, make_recorded_run, make_run, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queue(redis_server):
    return django_rq.get_queue(jobs.QUEUE)


def burst(queue):
    SimpleWorker([queue], connection=queue.connection, serializer=queue.serializer).work(burst=True)


def test_a_worker_finishes_an_enqueued_run(project, queue):
    run = make_recorded_run(project)
    jobs.enqueue_shards(run.id)
    burst(queue)
    run.refresh_from_db()
    assert (run.state, states(run)) == (RunState.DONE, ["done"] * 3)


def test_a_job_that_runs_again_after_the_end_does_nothing(project, redis_server):
    run = make_recorded_run(project)
    assert jobs.run_shard(str(run.id)) == 3
    assert jobs.run_shard(str(run.id)) == 0


def test_a_job_of_a_deleted_run_ends_quietly(db, redis_server):
    assert jobs.run_shard(str(uuid4())) == 0


def test_a_shard_without_time_enqueues_the_next_one(project, queue, monkeypatch):
    monkeypatch.setattr("readiness.evaluations.runner.SHARD_TIME", timedelta(0))
    run = make_recorded_run(project)
    jobs.run_shard(str(run.id))
    assert [job.args for job in queue.jobs] == [[str(run.id)]]


def test_the_reaper_restarts_a_run_whose_worker_died(project, queue):
    run = make_recorded_run(project)
    claim(run, now=timezone.now() - timedelta(minutes=1))
    assert jobs.reap_expired_leases() == 3
    burst(queue)
    assert states(run) == ["done"] * 3


def test_the_reaper_starts_a_run_that_never_reached_the_queue(project, queue):
    run = make_recorded_run(project)
    jobs.reap_expired_leases()
    assert len(queue.jobs) == jobs.SHARDS
    assert {tuple(job.args) for job in queue.jobs} == {(str(run.id),)}


def test_the_reaper_adds_no_shard_to_one_that_waits_already(project, queue):
    make_recorded_run(project)
    jobs.reap_expired_leases()
    jobs.reap_expired_leases()
    assert len(queue.jobs) == jobs.SHARDS


def test_the_reaper_leaves_a_run_alone_that_is_worked_on(project, queue):
    run = make_recorded_run(project)
    claim(run, limit=1, now=timezone.now())
    assert jobs.reap_expired_leases() == 0
    assert queue.jobs == []


def test_the_reaper_ends_a_run_whose_last_cell_was_lost_after_its_work(project, queue):
    run = make_recorded_run(project)
    run.cells.update(state="done")
    jobs.reap_expired_leases()
    run.refresh_from_db()
    assert run.state == RunState.DONE


def test_the_reaper_does_not_touch_a_paused_run(project, queue):
    make_recorded_run(project)
    Run.objects.update(state=RunState.PAUSED)
    jobs.reap_expired_leases()
    assert queue.jobs == []


def test_a_run_that_can_never_go_on_ends_instead_of_restarting_for_ever(project, queue):
    run = make_run(project, scorers=["gone"])
    for _ in range(2):
        jobs.reap_expired_leases()
        burst(queue)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert queue.jobs == []

import redis
from django_rq import get_queue, get_worker
from rq import SimpleWorker

from readiness.lib.scheduler import QueueCronScheduler


def note_run(key: str) -> None:
    """The periodic job of these tests: leaves a mark in Redis."""
    get_queue("default").connection.set(key, "ran")


def scheduler_of(**options: object) -> QueueCronScheduler:
    scheduler = QueueCronScheduler()
    scheduler.register(note_run, "default", args=("mark",), **options)
    return scheduler


def test_periodic_job_is_readable_by_a_worker_of_the_queue(redis_server: "redis.Redis[str]") -> None:
    scheduler_of(interval=60).enqueue_jobs()
    worker = get_worker("default", worker_class=SimpleWorker, serializer="rq.serializers.JSONSerializer")
    worker.work(burst=True)
    assert redis_server.get("mark") == "ran"


def test_periodic_job_waits_for_its_next_time(redis_server: "redis.Redis[str]") -> None:
    scheduler = scheduler_of(interval=60)
    assert [job.func for job in scheduler.enqueue_jobs()] == [note_run]
    assert scheduler.enqueue_jobs() == []
    assert len(get_queue("default")) == 1


def test_job_options_reach_the_queue(redis_server: "redis.Redis[str]") -> None:
    scheduler_of(interval=60, job_timeout=7).enqueue_jobs()
    (job,) = get_queue("default").get_jobs()
    assert job.timeout == 7

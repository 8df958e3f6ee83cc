"""RQ's cron scheduler for queues that do not use pickle."""

from django_rq import get_queue
from django_rq.cron import DjangoCronScheduler
from rq.cron import CronJob
from rq.utils import now


class QueueCronScheduler(DjangoCronScheduler):
    """Enqueues periodic jobs through the project's own queues, so with the serializer of their settings.

    RQ 3.0 builds a bare queue for each periodic job, which writes pickle; a worker that reads JSON then fails
    every one of them with ``DeserializationError``. Can go when RQ's ``CronJob`` takes a serializer.
    """

    def enqueue_jobs(self) -> list[CronJob]:
        """Put every due job into its queue and return those that were due."""
        at = now()
        due = [job for job in self.get_jobs() if job.should_run()]
        for job in due:
            assert job.func is not None  # registered here; only jobs read back from Redis have none
            get_queue(job.queue_name).enqueue(job.func, args=job.args, kwargs=job.kwargs, **job.job_options)
            job.set_enqueue_time(at)
        return due

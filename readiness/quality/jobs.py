"""RQ entry points of spot-checks. Arguments are ids; a job that runs twice finds what is stored."""

import asyncio
import logging
import secrets

import django_rq
from django.db import DatabaseError
from django.utils import timezone
from rq.exceptions import DuplicateJobError
from rq.job import JobStatus

from readiness.inference.dispatch import open_door
from readiness.projects.models import Project
from readiness.quality.models import SpotCheckPolicy
from readiness.quality.runner import run_checks
from readiness.quality.services.sampling import sample_answers

logger = logging.getLogger(__name__)

QUEUE = "spot_checks"


def sample_and_check() -> int:
    """Asks for a round of every project with spot-checks on; returns how many were not asked for already.

    A job for each: a busy project neither starves the next one nor runs into the job's time limit.
    """
    enabled = SpotCheckPolicy.objects.filter(enabled=True).values_list("project_id", flat=True)
    return sum(enqueue_check(project_id) for project_id in enabled.order_by("project_id"))


def check_project(project_id: int) -> int:
    """One round for one project; returns how many checks were finished."""
    project = Project.objects.filter(pk=project_id).first()
    if project is None:  # deleted while the job waited
        return 0
    try:
        sample_answers(project=project, now=timezone.now(), seed=secrets.randbits(64))
    except DatabaseError:
        logger.exception("Sampling %s failed; what was sampled before is still checked.", project.slug)
    return asyncio.run(_check(project_id))


def enqueue_check(project_id: int) -> bool:
    """Asks for a round of one project now; False when one is asked for already. Raises RedisError."""
    try:
        django_rq.get_queue(QUEUE).enqueue(
            check_project,
            project_id,
            job_id=_job_id(project_id),
            unique=True,
            # The id is free again as soon as the round is over.
            result_ttl=0,
            failure_ttl=60,
        )
    except DuplicateJobError:
        return False
    return True


def is_requested(project_id: int) -> bool:
    """Whether a round that was asked for is waiting or at work. Raises RedisError."""
    job = django_rq.get_queue(QUEUE).fetch_job(_job_id(project_id))
    return job is not None and job.get_status() in {JobStatus.QUEUED, JobStatus.STARTED}


def _job_id(project_id: int) -> str:
    return f"spot-checks-{project_id}"


async def _check(project_id: int) -> int:
    async with open_door() as door:
        return await run_checks(project_id, door=door, clock=timezone.now)

"""RQ entry points of drills."""

import logging

import django_rq
from django.utils import timezone
from rq.timeouts import JobTimeoutException

from readiness.operations.drill_services import fail_drill, hold_drill

QUEUE = "benchmarks"
"""Beside other work that measures; the default queue's sweeps must not wait for more than a minute."""

logger = logging.getLogger(__name__)


def enqueue_drill(report_id: int) -> None:
    """Call it after the commit that added the report."""
    django_rq.get_queue(QUEUE).enqueue(drill, report_id)


def drill(report_id: int) -> None:
    """Holds the drill, and says in plain words when that takes too long or goes wrong."""
    try:
        hold_drill(report_id=report_id)
    except JobTimeoutException:
        trouble = "The drill took longer than a job may. Try again when less goes on."
        fail_drill(report_id=report_id, trouble=trouble, now=timezone.now())
    except Exception:
        logger.exception("A drill failed.")
        trouble = "The drill broke off by a mistake of ours; the worker's log says more. Try again."
        fail_drill(report_id=report_id, trouble=trouble, now=timezone.now())

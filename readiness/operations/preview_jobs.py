"""RQ entry points of previews."""

import logging

import django_rq
from django.utils import timezone
from rq.timeouts import JobTimeoutException

from readiness.operations.preview_services import fail_preview, run_preview

QUEUE = "benchmarks"
"""Where drills run too: the default queue's sweeps must not wait for a replay of up to a minute."""

logger = logging.getLogger(__name__)


def enqueue_preview(preview_id: int) -> None:
    """Call it after the commit that added the preview. It goes before what waits, as somebody watches it."""
    django_rq.get_queue(QUEUE).enqueue(preview, preview_id, at_front=True)


def preview(preview_id: int) -> None:
    """Replays, and says in plain words when that takes too long or goes wrong."""
    try:
        run_preview(preview_id=preview_id)
    except JobTimeoutException:
        trouble = "The replay took longer than a job may. Replay a shorter trace, or try when less goes on."
        fail_preview(preview_id=preview_id, trouble=trouble, now=timezone.now())
    except Exception:
        logger.exception("A preview failed.")
        trouble = "The replay broke off by a mistake of ours; the worker's log says more. Try again."
        fail_preview(preview_id=preview_id, trouble=trouble, now=timezone.now())

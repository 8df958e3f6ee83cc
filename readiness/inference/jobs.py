"""Housekeeping of logged answers."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from readiness.inference.services import delete_answers_before


def delete_expired_answers() -> int:
    """Deletes production answers older than the retention setting, with their spot-checks."""
    return delete_answers_before(moment=timezone.now() - timedelta(days=settings.ANSWER_RETENTION_DAYS))

"""Housekeeping of alerts."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from readiness.alerts.services import delete_past_alerts_before


def delete_expired_alerts() -> int:
    """Deletes past alerts older than the retention setting."""
    return delete_past_alerts_before(moment=timezone.now() - timedelta(days=settings.ALERT_RETENTION_DAYS))

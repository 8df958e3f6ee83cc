"""Housekeeping of telemetry."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from readiness.telemetry.services import delete_fine_rollups, delete_records_before


def compact_rollups() -> int:
    """Deletes fine rollups whose time is over; the hours that hold the same counts stay."""
    return delete_fine_rollups(now=timezone.now())


def delete_expired_records() -> int:
    """Deletes request records older than the retention setting; rollups stay."""
    return delete_records_before(moment=timezone.now() - timedelta(days=settings.RECORD_RETENTION_DAYS))

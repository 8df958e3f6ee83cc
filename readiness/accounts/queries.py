"""Reads of the audit log and of people."""

from datetime import UTC, date, datetime, time

from django.db.models import QuerySet

from readiness.accounts.models import AuditEntry, User


def audit_entries(
    *, project_slug: str | None = None, person: str = "", kind: str = "", since: date | None = None
) -> QuerySet[AuditEntry]:
    """The log, newest first: of one project, or of everything when ``project_slug`` is None.

    ``person`` is a part of a username, ``kind`` an object type, ``since`` a day in UTC.
    """
    entries = AuditEntry.objects.all()
    if project_slug is not None:
        entries = entries.filter(project_slug=project_slug)
    if person:
        entries = entries.filter(actor_label__icontains=person)
    if kind:
        entries = entries.filter(object_type=kind)
    if since:
        entries = entries.filter(at__gte=datetime.combine(since, time.min, UTC))
    return entries


def all_people() -> QuerySet[User]:
    """Everybody, active people first."""
    return User.objects.order_by("-is_active", "username")

"""Reads of the audit log and of people."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time

from django.db.models import Max, Q, QuerySet

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


def last_change(objects: Iterable[tuple[str, object]], fields: Sequence[str]) -> datetime | None:
    """When one of the fields of one of the objects, each (object type, id), was last changed; None for never.

    Additions do not count: they give every field its first value.
    """
    any_of = Q()
    for object_type, object_id in objects:
        any_of |= Q(object_type=object_type, object_id=str(object_id))
    if not any_of:
        return None
    changes = AuditEntry.objects.filter(
        any_of, action__endswith="changed", changes__has_any_keys=list(fields)
    )
    latest: datetime | None = changes.aggregate(at=Max("at"))["at"]
    return latest


def all_people() -> QuerySet[User]:
    """Everybody, active people first."""
    return User.objects.order_by("-is_active", "username")

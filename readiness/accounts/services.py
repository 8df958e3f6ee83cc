"""Writes of the audit log, and what site admins do with people's accounts."""

import secrets
from collections.abc import Mapping

from django.db import transaction

from readiness.accounts.models import AuditEntry, User

HIDDEN = "(hidden)"
"""What the log shows of a secret: that it changed, never what it is."""


class OwnAccountError(Exception):
    """A site admin tried to shut themselves out."""


def record_audit(
    *,
    actor: User | None,
    action: str,
    object_type: str,
    object_id: object,
    object_label: str,
    project_slug: str = "",
    changes: Mapping[str, tuple[object, object]] | None = None,
) -> AuditEntry:
    """Adds one entry; call it in the transaction of the change. ``changes``: field to (before, after)."""
    return AuditEntry.objects.create(
        actor=actor,
        actor_label=actor.username if actor else "system",
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        object_label=object_label[:200],
        project_slug=project_slug,
        changes={name: list(pair) for name, pair in (changes or {}).items()},
    )


def add_person(*, actor: User, person: User) -> str:
    """Saves a new person and returns their temporary password, which is stored only as a hash."""
    password = secrets.token_urlsafe(12)
    person.set_password(password)
    person.password_is_temporary = True
    person.is_staff = person.is_superuser
    with transaction.atomic():
        person.save()
        _record_person(actor, person, "person added", {"site admin": (None, person.is_superuser)})
    return password


def issue_password(*, actor: User, person: User) -> str:
    """Replaces a forgotten password by a temporary one and returns it; ends the person's sessions."""
    password = secrets.token_urlsafe(12)
    person.set_password(password)
    person.password_is_temporary = True
    with transaction.atomic():
        person.save(update_fields=["password", "password_is_temporary"])
        _record_person(actor, person, "password issued", {"password": (HIDDEN, HIDDEN)})
    return password


def set_active(*, actor: User, person: User, active: bool) -> None:
    """Lets a person in or keeps them out; what they did stays. Raises OwnAccountError for oneself."""
    if actor.pk == person.pk:
        raise OwnAccountError("You cannot deactivate yourself; another site admin can.")
    if person.is_active == active:
        return
    with transaction.atomic():
        person.is_active = active
        person.save(update_fields=["is_active"])
        action = "person reactivated" if active else "person deactivated"
        _record_person(actor, person, action, {"active": (not active, active)})


def _record_person(
    actor: User, person: User, action: str, changes: Mapping[str, tuple[object, object]]
) -> None:
    record_audit(
        actor=actor,
        action=action,
        object_type="person",
        object_id=person.pk,
        object_label=person.username,
        changes=changes,
    )

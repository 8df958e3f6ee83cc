"""Writes of the audit log."""

from collections.abc import Mapping

from readiness.accounts.models import AuditEntry, User

HIDDEN = "(hidden)"
"""What the log shows of a secret: that it changed, never what it is."""


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

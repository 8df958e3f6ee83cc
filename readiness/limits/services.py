"""Writes: tiers, overrides and allowances, each with its publication.

The rows are the truth. Their publication is one Redis hash that the scripts read at every call, so a change
is in force in every process with its next call.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from redis.exceptions import LockError

from readiness.accounts.models import User
from readiness.accounts.services import record_audit
from readiness.lib.redis import sync_redis
from readiness.limits.policy import published_fields
from readiness.limits.publication import POLICY_KEY, write_policy
from readiness.limits.scripts import served_by_redis
from readiness.limits.tickets import LimiterUnavailableError
from readiness.projects.models import (
    LIMIT_FIELDS,
    OVERRIDABLE,
    Allowance,
    AllowanceKind,
    Project,
    Tier,
    TierOverride,
)

_LOCK_S = 5.0

_Row = Tier | TierOverride | Allowance


class NotYetInForceError(Exception):
    """The rows were saved, but Redis went away before they could be published."""

    def __init__(self) -> None:
        super().__init__(
            "The change is saved, but Redis stopped answering before it could be put into force. It takes "
            "effect within a minute of Redis being back."
        )


def publish_policy(now: datetime | None = None) -> None:
    """Puts the rows of tiers, overrides and allowances into force. Raises ``LimiterUnavailableError``.

    The rows are read inside a lock that spans the write, so that a slow publisher never replaces newer rows
    by older ones.
    """
    client = sync_redis()
    lock = client.lock(f"{POLICY_KEY}:lock", timeout=_LOCK_S, blocking_timeout=_LOCK_S)
    try:
        with served_by_redis(), lock:
            fields = published_fields(Tier.objects.all(), TierOverride.objects.all(), Allowance.objects.all())
            zone = ZoneInfo(settings.BUDGET_TIME_ZONE)
            write_policy(client, fields, now=now or timezone.now(), zone=zone)
    except LockError as error:
        raise LimiterUnavailableError from error


def _publish_committed() -> None:
    try:
        publish_policy()
    except LimiterUnavailableError as error:
        raise NotYetInForceError from error


def _ensure_reachable() -> None:
    with served_by_redis():
        sync_redis().ping()


def create_tier(*, actor: User, slug: str, values: Mapping[str, object]) -> Tier:
    """Adds a tier; row, audit entry and publication together.

    Raises as ``update_tier`` does, and ``IntegrityError`` when there is one of this slug.
    """
    _ensure_reachable()
    with transaction.atomic():
        tier = Tier.objects.create(slug=slug, **values)
        _record(actor, "tier created", tier, _first_values(values))
    return tier


def update_tier(*, actor: User, tier: Tier, values: Mapping[str, object]) -> Tier:
    """Changes a tier; row, audit entry and publication together.

    Raises ``LimiterUnavailableError`` with nothing changed when Redis does not answer, and
    ``NotYetInForceError`` should it stop answering between the check and the commit.
    """
    _ensure_reachable()
    with transaction.atomic():
        tier = Tier.objects.select_for_update().get(pk=tier.pk)
        _change(actor, "tier changed", tier, values)
    return tier


def set_override(
    *, actor: User, tier: Tier, project: Project, end_user: str = "", values: Mapping[str, object]
) -> TierOverride:
    """Adds or changes what a project, or one of its end users, gets otherwise. Raises as ``update_tier``."""
    _ensure_reachable()
    with transaction.atomic():
        override, created = TierOverride.objects.select_for_update().get_or_create(
            tier=tier, project=project, end_user=end_user, defaults=values
        )
        if created:
            _record(actor, "override added", override, _first_values(values))
        else:
            _change(actor, "override changed", override, values)
    return override


def remove_override(*, actor: User, override: TierOverride) -> None:
    """From its commit on the tier counts as for everybody else. Raises as ``update_tier``."""
    _remove(actor, "override removed", override, OVERRIDABLE)


def set_allowance(
    *, actor: User, project: Project | None, kind: AllowanceKind, subject: str, values: Mapping[str, object]
) -> Allowance:
    """Adds or changes what a subject may use.

    Raises as ``update_tier``, and ``IntegrityError`` for an API key that has an allowance of another project:
    that one belongs to others, who are not overruled by the way.
    """
    _ensure_reachable()
    with transaction.atomic():
        allowance, created = Allowance.objects.select_for_update().get_or_create(
            project=project, kind=kind, subject=subject, defaults=values
        )
        if created:
            _record(actor, "allowance added", allowance, _first_values(values))
        else:
            _change(actor, "allowance changed", allowance, values)
    return allowance


def remove_allowance(*, actor: User, allowance: Allowance) -> None:
    """From its commit on the subject has no limit of its own. Raises as ``update_tier``."""
    _remove(actor, "allowance removed", allowance, LIMIT_FIELDS)


def _change(actor: User, action: str, row: _Row, values: Mapping[str, object]) -> None:
    """Saves and records what differs; does nothing when nothing does."""
    before = {name: getattr(row, name) for name in values}
    changes = {name: (before[name], value) for name, value in values.items() if before[name] != value}
    if changes:
        for name, (_, value) in changes.items():
            setattr(row, name, value)
        row.save()
        _record(actor, action, row, changes)


def _remove(actor: User, action: str, row: TierOverride | Allowance, fields: Iterable[str]) -> None:
    _ensure_reachable()
    with transaction.atomic():
        last = {name: (getattr(row, name), None) for name in fields if getattr(row, name) is not None}
        _record(actor, action, row, last)
        row.delete()


def _first_values(values: Mapping[str, object]) -> Mapping[str, tuple[object, object]]:
    return {name: (None, value) for name, value in values.items() if value is not None}


def _record(actor: User, action: str, row: _Row, changes: Mapping[str, tuple[object, object]]) -> None:
    """The entry in the audit log, and the publication on commit."""
    project = None if isinstance(row, Tier) else row.project
    record_audit(
        actor=actor,
        action=action,
        object_type=action.split()[0],
        object_id=row.slug if isinstance(row, Tier) else row.pk,
        object_label=str(row),
        project_slug=project.slug if project else "",
        changes={name: (_shown(before), _shown(after)) for name, (before, after) in changes.items()},
    )
    transaction.on_commit(_publish_committed)


def _shown(value: object) -> object:
    """A value as the audit log keeps it, which is JSON: money in full, to the cent."""
    return f"${value:,.2f}" if isinstance(value, Decimal) else value

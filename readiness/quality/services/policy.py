"""Saving a project's policy: the row and its audit entry together."""

from dataclasses import dataclass

from django.db import transaction

from readiness.accounts.models import User
from readiness.accounts.services import record_audit
from readiness.lib.money import format_usd
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.quality.models import SpotCheckPolicy


@dataclass(frozen=True, kw_only=True)
class PolicyDetails:
    """What an admin sets. ``share`` is of 1, money in nano-dollars."""

    enabled: bool
    daily_minimum: int
    share: float
    judge: Deployment | None
    daily_budget_nanos: int
    reask_count: int


_LABELS = {
    "enabled": "spot-checks on",
    "daily_minimum": "answers a day, at least",
    "share": "share of the answers",
    "judge": "judge",
    "daily_budget_nanos": "budget a day",
    "reask_count": "re-asks per answer",
}


@transaction.atomic
def save_policy(*, actor: User, project: Project, details: PolicyDetails) -> None:
    """Saves what differs; a first save writes everything down."""
    policy, created = SpotCheckPolicy.objects.select_for_update().get_or_create(
        project=project, defaults={"enabled": False}
    )
    before = {name: getattr(policy, name) for name in _LABELS}
    after = {name: getattr(details, name) for name in _LABELS}
    changed = [name for name in _LABELS if created or before[name] != after[name]]
    if not changed:
        return
    for name in changed:
        setattr(policy, name, after[name])
    policy.save()
    record_audit(
        actor=actor,
        action="spot-check policy changed",
        object_type="spot-check policy",
        object_id=policy.pk,
        object_label=project.name,
        project_slug=project.slug,
        changes={
            _LABELS[name]: (None if created else _shown(name, before[name]), _shown(name, after[name]))
            for name in changed
        },
    )


def _shown(name: str, value: object) -> object:
    """A value as the audit log shows it."""
    if name == "daily_budget_nanos" and isinstance(value, int):
        return format_usd(value)
    return str(value) if isinstance(value, Deployment) else value

"""Writes: tiers and their publication, and resuming a deployment whose account was out of credit.

The rows of ``projects.Tier`` are the truth. Their publication is one Redis hash that the scripts read at
every call, so a change is in force in every process with its next call.
"""

from collections.abc import Iterable, Mapping
from itertools import chain

from django.db import transaction
from redis.exceptions import LockError

from readiness.accounts.models import User
from readiness.accounts.services import record_audit
from readiness.lib.redis import sync_redis
from readiness.limits.queries import upstream_of
from readiness.limits.scripts import TIERS_KEY, UNREACHABLE, UPSTREAMS_KEY, run
from readiness.limits.tickets import LimiterUnavailableError
from readiness.projects.models import Project, Tier
from readiness.providers.models import Deployment

_LOCK_S = 5.0


class NotYetInForceError(Exception):
    """The rows were saved, but Redis went away before they could be published."""

    def __init__(self) -> None:
        super().__init__(
            "The change is saved, but Redis stopped answering before it could be put into force. It takes "
            "effect within a minute of Redis being back."
        )


def _published_fields(tiers: Iterable[Tier]) -> dict[str, str]:
    """``<slug>:<setting>`` to its value; a limit that is not set has no field."""
    fields: dict[str, int | None] = {}
    for tier in tiers:
        fields |= {
            f"{tier.slug}:weight": tier.weight,
            f"{tier.slug}:rpm": tier.requests_per_minute,
            f"{tier.slug}:tpm": tier.tokens_per_minute,
            f"{tier.slug}:wait_ms": tier.longest_wait_seconds * 1000,
        }
    fields["lowest_weight"] = min((tier.weight for tier in tiers), default=1)
    return {name: str(value) for name, value in fields.items() if value is not None}


def publish_tiers() -> None:
    """Puts all tier rows into force. Raises ``LimiterUnavailableError``.

    The rows are read inside a lock that spans the write, so that a slow publisher never replaces newer rows
    by older ones.
    """
    client = sync_redis()
    try:
        with client.lock(f"{TIERS_KEY}:lock", timeout=_LOCK_S, blocking_timeout=_LOCK_S):
            fields = _published_fields(Tier.objects.all())
            with client.pipeline(transaction=True) as pipe:
                pipe.delete(TIERS_KEY)
                pipe.hset(TIERS_KEY, items=list(chain.from_iterable(fields.items())))
                pipe.execute()
    except (*UNREACHABLE, LockError) as error:
        raise LimiterUnavailableError from error


def _publish_committed() -> None:
    try:
        publish_tiers()
    except LimiterUnavailableError as error:
        raise NotYetInForceError from error


def _ensure_reachable() -> None:
    try:
        sync_redis().ping()
    except UNREACHABLE as error:
        raise LimiterUnavailableError from error


def create_tier(*, actor: User, slug: str, values: Mapping[str, object]) -> Tier:
    """Adds a tier; row, audit entry and publication together. Raises as ``update_tier`` does."""
    _ensure_reachable()
    with transaction.atomic():
        tier = Tier.objects.create(slug=slug, **values)
        _audit_tier(actor, "tier created", tier, {name: (None, value) for name, value in values.items()})
        transaction.on_commit(_publish_committed)
    return tier


def update_tier(*, actor: User, tier: Tier, values: Mapping[str, object]) -> Tier:
    """Changes a tier; row, audit entry and publication together.

    Raises ``LimiterUnavailableError`` with nothing changed when Redis does not answer, and
    ``NotYetInForceError`` should it stop answering between the check and the commit.
    """
    _ensure_reachable()
    with transaction.atomic():
        tier = Tier.objects.select_for_update().get(pk=tier.pk)
        changes = {
            name: (getattr(tier, name), value)
            for name, value in values.items()
            if getattr(tier, name) != value
        }
        if changes:
            for name, (_, value) in changes.items():
                setattr(tier, name, value)
            tier.save()
            _audit_tier(actor, "tier changed", tier, changes)
            transaction.on_commit(_publish_committed)
    return tier


def _audit_tier(actor: User, action: str, tier: Tier, changes: Mapping[str, tuple[object, object]]) -> None:
    record_audit(
        actor=actor,
        action=action,
        object_type="tier",
        object_id=tier.slug,
        object_label=tier.name,
        changes=changes,
    )


def resume_deployment(*, actor: User, deployment: Deployment, project: Project) -> None:
    """Lets calls through again after the provider said that the account was out of credit.

    Raises ``LimiterUnavailableError`` with nothing recorded when Redis does not answer.
    """
    with transaction.atomic():
        record_audit(
            actor=actor,
            action="deployment resumed",
            object_type="deployment",
            object_id=deployment.pk,
            object_label=deployment.name,
            project_slug=project.slug,
        )
        run("feedback", upstream_of(deployment.pk), "resume", None, 0, None, None)


def sweep() -> None:
    """Does for every upstream in use what no process may be alive to do.

    Reaps leases and waiters of dead processes, so that their records appear even when no further call is
    made, and publishes the tiers again, so that a publication that failed is made up for.
    """
    publish_tiers()
    try:
        upstreams = [str(name) for name in sync_redis().zrange(UPSTREAMS_KEY, 0, -1)]
    except UNREACHABLE as error:
        raise LimiterUnavailableError from error
    for upstream in upstreams:
        run("dispatch", upstream)

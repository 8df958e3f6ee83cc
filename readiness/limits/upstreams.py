"""Writes that concern one upstream: putting its quota into force, resuming it, the sweep of each minute."""

import logging
import re

from django.db import transaction
from django.utils import timezone

from readiness.accounts.models import User
from readiness.accounts.services import record_audit
from readiness.lib.redis import sync_redis
from readiness.limits.alerts import credit_is_back
from readiness.limits.queries import upstream_of, upstream_states
from readiness.limits.quotas import configuration
from readiness.limits.scripts import UNREACHABLE, UPSTREAMS_KEY, run, served_by_redis
from readiness.limits.services import publish_policy
from readiness.limits.tickets import LimiterUnavailableError
from readiness.limits.watch import observe
from readiness.projects.models import Project, Tier
from readiness.providers.base import Quota
from readiness.providers.models import Deployment
from readiness.providers.queries import account_quota_of, quota_of

logger = logging.getLogger(__name__)

_OF_DEPLOYMENT = re.compile(r"d(\d+)")


def configuration_of(
    upstream: str, quota: Quota, account: str = "", account_quota: Quota | None = None
) -> str:
    """What the ``configure`` script is told: the deployment's quota as its row has it, else the given one.

    A caller's own may be as old as its job.
    """
    named = _OF_DEPLOYMENT.fullmatch(upstream)
    row = Deployment.objects.select_related("account").filter(pk=named[1]).first() if named else None
    if row:
        quota, account_quota = quota_of(row), account_quota_of(row.account)
        account = f"a{row.account_id}"
    return configuration(upstream, quota, account=account, account_quota=account_quota, now=timezone.now())


def configure(upstream: str, quota: Quota, account: str = "", account_quota: Quota | None = None) -> None:
    """Puts a quota into force, see ``configuration_of``. Raises ``LimiterUnavailableError``."""
    run("configure", upstream, configuration_of(upstream, quota, account, account_quota))


def publish_quota(deployment_id: int) -> None:
    """Puts a deployment's changed quota into force, for those who wait already too.

    One that nobody called since Redis started is configured with its first call. While Redis is away the
    sweep makes up for it.
    """
    upstream = upstream_of(deployment_id)
    try:
        if sync_redis().zscore(UPSTREAMS_KEY, upstream) is not None:
            configure(upstream, Quota())
    except (LimiterUnavailableError, *UNREACHABLE):
        return


def tier_weights() -> dict[str, int]:
    """Weight by tier, for the order in which a process admits calls by itself."""
    return dict(Tier.objects.values_list("slug", "weight"))


def resume_deployment(*, actor: User, deployment: Deployment, project: Project) -> bool:
    """Lets calls through again after the provider said that the account was out of credit.

    False, with nothing recorded, when that is not so (any more): a pause that the provider asked for stays.
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
        credit_is_back(deployment.pk)
        answer = run("feedback", upstream_of(deployment.pk), "resume", None, 0)
        is_resumed = answer["resumed"] == "1"
        if not is_resumed:
            transaction.set_rollback(True)
    return is_resumed


def sweep() -> None:
    """Does for every upstream in use what no process may be alive to do.

    Reaps leases and waiters of dead processes, so that their records appear even when no further call is
    made, and publishes policy and quotas again, so that a publication that failed is made up for. What it
    sees is kept and told (``watch.py``). Raises ``LimiterUnavailableError``.
    """
    publish_policy()
    with served_by_redis():
        upstreams = [str(name) for name in sync_redis().zrange(UPSTREAMS_KEY, 0, -1)]
    rows = {upstream_of(pk) for pk in Deployment.objects.values_list("pk", flat=True)}
    for upstream in upstreams:
        try:
            if upstream in rows:
                configure(upstream, Quota())
            else:
                run("dispatch", upstream)
        except LimiterUnavailableError:
            raise
        except Exception:  # all others wait behind it
            logger.exception("Upstream %s cannot be swept.", upstream)
    observe(upstream_states(name for name in upstreams if name in rows), now=timezone.now())

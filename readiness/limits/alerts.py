"""What the limiter has to tell people."""

from collections.abc import Iterable

from django.urls import reverse

from readiness.alerts.models import Severity
from readiness.alerts.queries import open_keys
from readiness.alerts.services import raise_alert, resolve_alert
from readiness.limits.queries import UpstreamState, readable_state, upstream_of
from readiness.projects.models import Project
from readiness.providers.models import Deployment

_SPENT_CREDIT = "out_of_credit:"
"""What the keys of alerts of spent credit begin with, before the limiter's name of the deployment."""


def limits_page_of(project: Project | None) -> str:
    """Path of the page that an alert leads to; '' for the whole site: each project then shows its own."""
    return reverse("operations:limits", args=[project.slug]) if project else ""


def _credit_key(deployment_id: int) -> str:
    return f"{_SPENT_CREDIT}{upstream_of(deployment_id)}"


def tell_of_spent_credit(deployment_id: int) -> None:
    """The provider says that the account is out of credit: nothing is called until it is paid and resumed."""
    deployment = Deployment.objects.select_related("account__project").filter(pk=deployment_id).first()
    if deployment is None:
        return
    project = deployment.account.project
    raise_alert(
        key=_credit_key(deployment_id),
        severity=Severity.CRITICAL,
        title=f"{deployment.account.name} is out of credit",
        detail=f"The provider refuses calls to {deployment.name} for want of money, so none are made. Pay "
        "the provider, then resume the deployment on the limits page.",
        project=project,
        link=limits_page_of(project),
    )


def credit_is_back(deployment_id: int) -> None:
    """Somebody resumed the deployment."""
    resolve_alert(key=_credit_key(deployment_id))


def follow_credit(seen_spent: Iterable[str]) -> None:
    """Tells of spent credit that nobody told of, and ends what is told of upstreams that have credit.

    ``seen_spent`` are names of upstreams that were out of credit a moment ago. Somebody may have resumed one
    since, so each is looked at again. One that Redis knows nothing of any more is called, and a deployment
    that is switched off or deleted needs no money. Raises ``LimiterUnavailableError``.
    """
    told = {key.removeprefix(_SPENT_CREDIT) for key in open_keys(_SPENT_CREDIT)}
    rows = Deployment.objects.filter(active=True)
    active = {upstream_of(pk): pk for pk in rows.values_list("pk", flat=True)}
    for upstream in told.union(seen_spent):
        state = readable_state(upstream) if upstream in active else UpstreamState(upstream=upstream)
        if state is None:
            continue
        if not state.out_of_credit:
            resolve_alert(key=f"{_SPENT_CREDIT}{upstream}")
        elif upstream not in told:
            tell_of_spent_credit(active[upstream])

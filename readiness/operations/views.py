"""The limits page. Everybody in a project sees its queues, its refusals and the tiers."""

from typing import Any

from csp.decorators import csp_update
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from readiness.lib.plots import PLOTLY_STYLES
from readiness.lib.web import see_other, vary_on_htmx, wants_fragment
from readiness.limits import upstreams
from readiness.limits.tickets import LimiterUnavailableError
from readiness.operations.charts import time_line_chart, waits_chart
from readiness.operations.history import SPANS, time_line
from readiness.operations.queries import limits_page, own_overrides
from readiness.operations.refusals import refusals
from readiness.operations.waits import orphans, waits
from readiness.projects.access import current_user, get_project, require_site_admin
from readiness.projects.models import Project, Role, Tier
from readiness.providers.models import Deployment
from readiness.providers.queries import deployments_of


@require_safe
@csp_update(PLOTLY_STYLES)  # type: ignore[arg-type]  # annotated for views without URL arguments
def limits(request: HttpRequest, slug: str) -> HttpResponse:
    """Buckets and queues of the project's deployments, what was refused, and the tiers."""
    context = _limits_context(request, slug)
    project = context["project"]
    context |= {
        "refusals": refusals(project, context["page"].tier_names, timezone.now()),
        "overrides": own_overrides(project),
    }
    return render(request, "operations/limits.html", context)


@require_safe
def limits_live(request: HttpRequest, slug: str) -> HttpResponse:
    """The parts of the limits page that change by themselves."""
    return render(request, "operations/_live.html", _limits_context(request, slug))


def _limits_context(request: HttpRequest, slug: str) -> dict[str, Any]:
    project = get_project(request, slug)
    return {
        "project": project,
        "section": "limits",
        "page": limits_page(project),
        "is_site_admin": current_user(request).is_site_admin,
    }


@require_safe
@csp_update(PLOTLY_STYLES)  # type: ignore[arg-type]  # annotated for views without URL arguments
def history(request: HttpRequest, slug: str, deployment_id: int) -> HttpResponse:
    """One deployment's time line and predicted waits; htmx asks for them without the page around."""
    project = get_project(request, slug)
    deployment = get_object_or_404(deployments_of(project), pk=deployment_id)
    chosen, now = SPANS.get(request.GET.get("range", ""), SPANS["1h"]), timezone.now()
    names = dict(Tier.objects.values_list("slug", "name"))
    context = {
        "project": project,
        "section": "limits",
        "deployment": deployment,
        "simulated": deployment.account.simulated,
        "spans": SPANS.values(),
        "chosen": chosen,
        "line": time_line_chart(time_line(deployment, chosen, now), str(deployment.pk), names),
        "waits": waits_chart(waits(project, deployment, now), str(deployment.pk)),
        "orphans": orphans(project, deployment, now),
    }
    template = "operations/_history.html" if wants_fragment(request) else "operations/history.html"
    return vary_on_htmx(render(request, template, context))


@require_POST
def resume(request: HttpRequest, slug: str, deployment_id: int) -> HttpResponse:
    """Lets calls to a deployment through again after its account was out of credit."""
    project = get_project(request, slug, Role.ADMIN)
    deployment = _deployment_to_resume(request, project, deployment_id)
    try:
        is_resumed = upstreams.resume_deployment(
            actor=current_user(request), deployment=deployment, project=project
        )
    except LimiterUnavailableError as error:
        messages.error(request, str(error))
    else:
        told = "go through again" if is_resumed else "were not refused for want of credit any more"
        messages.success(request, f"Calls to {deployment.name} {told}.")
    return see_other(request, reverse("operations:limits", args=[slug]))


def _deployment_to_resume(request: HttpRequest, project: Project, deployment_id: int) -> Deployment:
    """An account of the whole site spends the site's money, so only a site admin resumes it."""
    deployment = get_object_or_404(deployments_of(project), pk=deployment_id)
    if deployment.account.project_id is None:
        require_site_admin(request)
    return deployment

"""The alerts of a project: what is wrong, what was, and who has seen it."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from readiness.alerts.models import Severity
from readiness.alerts.queries import open_alerts, past_alerts
from readiness.alerts.services import acknowledge
from readiness.lib.web import see_other
from readiness.projects.access import current_user, get_project, require_site_admin
from readiness.projects.models import Role

PAGE = 50
STATES = {"open": "Open", "past": "Past"}
SEVERITIES = {"": "All", **{severity.value: severity.label for severity in reversed(Severity)}}


@require_GET
def alert_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Open or past alerts of the project and the site, of one severity or of all."""
    project = get_project(request, slug)
    state, severity = request.GET.get("state", ""), request.GET.get("severity", "")
    state = state if state in STATES else "open"
    alerts = past_alerts(project) if state == "past" else open_alerts(project)
    if severity in Severity:
        alerts = alerts.filter(severity=severity)
    context = {
        "project": project,
        "section": "alerts",
        "state": state,
        "states": STATES,
        "severity": severity if severity in SEVERITIES else "",
        "severities": SEVERITIES,
        "page": Paginator(alerts, PAGE).get_page(request.GET.get("page")),
        "may_acknowledge": request.role.covers(Role.MEMBER),  # type: ignore[attr-defined]
        "may_acknowledge_site": current_user(request).is_site_admin,
    }
    return render(request, "alerts/list.html", context)


@require_POST
def acknowledgement(request: HttpRequest, slug: str, alert_id: int) -> HttpResponse:
    """Tells everybody that the signed-in person has seen an alert. The site's are for site admins."""
    project = get_project(request, slug, Role.MEMBER)
    alert = get_object_or_404(open_alerts(project), pk=alert_id)
    person = require_site_admin(request) if alert.is_of_site else current_user(request)
    if acknowledge(alert=alert, by=person):
        messages.success(request, "Acknowledged. Everybody sees now that you know of it.")
    else:
        messages.info(request, "Somebody was faster: it is acknowledged or over.")
    return see_other(request, reverse("alerts:list", args=[slug]))

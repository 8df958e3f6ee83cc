"""The banner of critical alerts above every page of a project."""

from typing import Any

from django import template
from django.urls import reverse

from readiness.alerts.models import Alert
from readiness.alerts.queries import critical_alerts
from readiness.projects.models import Project

SHOWN = 3
"""Alerts that the banner names; more are counted as one line."""

register = template.Library()


@register.filter
def put_right_in(alert: Alert, project: Project) -> str:
    """Path of the page where somebody who looks at the project puts it right; empty where there is none.

    What the whole site shares are accounts at providers, and every project that uses one has it on its limits
    page.
    """
    if alert.link or not alert.is_of_site:
        return alert.link
    return reverse("operations:limits", args=[project.slug])


@register.inclusion_tag("alerts/_banner.html", takes_context=True)
def critical_alerts_banner(context: dict[str, Any]) -> dict[str, Any]:
    """The open critical alerts of the page's project, in one query; nothing on a page without a project."""
    project = getattr(context["request"], "project", None)
    alerts = list(critical_alerts(project)[: SHOWN + 1]) if project else []
    return {"project": project, "alerts": alerts[:SHOWN], "more": len(alerts) > SHOWN}

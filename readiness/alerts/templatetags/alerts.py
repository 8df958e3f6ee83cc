"""The banner of critical alerts above every page of a project."""

from typing import Any

from django import template

from readiness.alerts.queries import critical_alerts

SHOWN = 3
"""Alerts that the banner names; more are counted as one line."""

register = template.Library()


@register.inclusion_tag("alerts/_banner.html", takes_context=True)
def critical_alerts_banner(context: dict[str, Any]) -> dict[str, Any]:
    """The open critical alerts of the page's project, in one query; nothing on a page without a project."""
    project = getattr(context["request"], "project", None)
    alerts = list(critical_alerts(project)[: SHOWN + 1]) if project else []
    return {"project": project, "alerts": alerts[:SHOWN], "more": len(alerts) > SHOWN}

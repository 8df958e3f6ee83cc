"""The project switcher of the side navigation."""

from typing import Any

from django import template
from django.http import HttpRequest

from readiness.projects.access import current_user
from readiness.projects.queries import projects_of

SHOWN = 12
"""Projects in the switcher; the rest are on the page of all projects."""

register = template.Library()


@register.inclusion_tag("projects/_switcher.html", takes_context=True)
def project_switcher(context: dict[str, Any]) -> dict[str, Any]:
    """A menu of the signed-in person's projects."""
    request: HttpRequest = context["request"]
    return {
        "current": getattr(request, "project", None),
        "projects": projects_of(current_user(request))[:SHOWN],
    }

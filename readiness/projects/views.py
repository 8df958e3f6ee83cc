"""Pages of projects: the list."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from readiness.projects.access import current_user
from readiness.projects.queries import projects_of


def project_list(request: HttpRequest) -> HttpResponse:
    """All projects that the signed-in person may open."""
    return render(request, "projects/list.html", {"projects": projects_of(current_user(request))})

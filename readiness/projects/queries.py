"""Reads about projects and their people."""

from django.db.models import QuerySet

from readiness.accounts.models import User
from readiness.projects.models import Project


def projects_of(user: User) -> QuerySet[Project]:
    """The projects that the person may open, by name: all of them for a site admin."""
    if user.is_site_admin:
        return Project.objects.all()
    return Project.objects.filter(memberships__user=user)

"""Reads about projects and their people."""

from django.db.models import Count, OuterRef, QuerySet, Subquery

from readiness.accounts.models import User
from readiness.projects.models import Membership, Project


def projects_of(user: User) -> QuerySet[Project]:
    """The projects that the person may open, by name: all of them for a site admin."""
    if user.is_site_admin:
        return Project.objects.all()
    return Project.objects.filter(pk__in=Membership.objects.filter(user=user).values("project"))


def project_rows(user: User) -> QuerySet[Project]:
    """``projects_of`` with ``own_role`` (None for a site admin who is no member) and ``people``, a count."""
    own = Membership.objects.filter(project=OuterRef("pk"), user=user).values("role")
    rows = projects_of(user).annotate(own_role=Subquery(own), people=Count("memberships"))
    return rows.order_by("name", "pk")


def members_of(project: Project) -> QuerySet[Membership]:
    """The project's memberships with their people, by username."""
    return project.memberships.select_related("user")

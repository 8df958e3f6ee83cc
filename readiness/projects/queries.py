"""Reads about projects, their people, and what policy says otherwise for one of them."""

from collections.abc import Iterable

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery

from readiness.accounts.models import User
from readiness.projects.models import Allowance, Membership, Project, Tier, TierOverride


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


def overrides_of(tier: Tier, search: str = "") -> QuerySet[TierOverride]:
    """Who gets the tier otherwise, by project and end user; ``search`` is a part of either's name."""
    found = tier.overrides.select_related("project", "tier")
    if search:
        found = found.filter(Q(project__name__icontains=search) | Q(end_user__icontains=search))
    return found.order_by("project__name", "project_id", "end_user")


def overrides_with_budget(tier: str, budgets: Iterable[str]) -> QuerySet[TierOverride]:
    """Overrides of the tier, by its slug, that set any of the budgets: ``usd_per_day``, ``usd_per_month``."""
    return TierOverride.objects.filter(tier__slug=tier).exclude(**dict.fromkeys(budgets))


def allowances_of(project: Project | None, search: str = "") -> QuerySet[Allowance]:
    """The project's allowances, or with None those of the whole site and of all projects.

    ``search`` is a part of a project's name or of a subject's.
    """
    found = Allowance.objects.select_related("project")
    if project:
        found = found.filter(project=project)
    if search:
        found = found.filter(Q(project__name__icontains=search) | Q(subject__icontains=search))
    return found.order_by(F("project__name").asc(nulls_first=True), "project_id", "kind", "subject")

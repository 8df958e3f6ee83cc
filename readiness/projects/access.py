"""Who may open what. Views decide through these helpers and nowhere else.

A stranger to a project gets 404, so that names do not leak; a member whose role is too low gets 403.
"""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from readiness.accounts.access import current_user, require_site_admin
from readiness.accounts.models import User
from readiness.projects.models import Membership, Project, Role

__all__ = ["current_user", "get_project", "require_site_admin", "role_in"]


def role_in(user: User, project: Project) -> Role | None:
    """The user's role in the project; None for a stranger. A site admin is an admin everywhere."""
    if user.is_site_admin:
        return Role.ADMIN
    membership = Membership.objects.filter(user=user, project=project).only("role").first()
    return Role(membership.role) if membership else None


def get_project(request: HttpRequest, slug: str, needed: Role = Role.VIEWER) -> Project:
    """The project, if the signed-in user holds at least the needed role.

    Sets ``request.project`` and ``request.role`` for the templates. Raises Http404 for a stranger and
    PermissionDenied for a role that is too low.
    """
    user = current_user(request)
    project = Project.objects.filter(slug=slug).first()
    role = role_in(user, project) if project else None
    if project is None or role is None:
        raise Http404("No such project.")
    # Before the refusal, so that a member who is refused keeps the project's navigation.
    request.project = project  # type: ignore[attr-defined]
    request.role = role  # type: ignore[attr-defined]
    if not role.covers(needed):
        raise PermissionDenied(
            f"This needs the role {needed.value}; yours is {role.value}. An admin of the project can change "
            "it."
        )
    return project

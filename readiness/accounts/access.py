"""Who is asking, and whether the site is theirs to change."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from readiness.accounts.models import User


def current_user(request: HttpRequest) -> User:
    """The signed-in user; the login middleware has already turned everybody else away."""
    if not request.user.is_authenticated:
        raise PermissionDenied("Sign in first.")
    return request.user


def require_site_admin(request: HttpRequest) -> User:
    """The signed-in site admin. Raises PermissionDenied for everybody else."""
    user = current_user(request)
    if not user.is_site_admin:
        raise PermissionDenied("Only a site admin may do this. Ask one of them.")
    return user

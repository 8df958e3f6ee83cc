"""Keeps a person with a temporary password on the page where they choose their own."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from readiness.lib.web import see_other

_OPEN = frozenset({"accounts:password", "accounts:logout"})


class TemporaryPasswordMiddleware(MiddlewareMixin):
    """Sends every other request of such a person to the password page."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: object, kwargs: object
    ) -> HttpResponse | None:
        user = request.user
        if not user.is_authenticated or not user.password_is_temporary:
            return None
        if request.resolver_match and request.resolver_match.view_name in _OPEN:
            return None
        return see_other(request, reverse("accounts:password"))

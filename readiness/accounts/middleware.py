"""Who has to sign in comes back to a page; who has a temporary password chooses their own first."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from readiness.lib.web import see_other

_OPEN = frozenset({"accounts:password", "accounts:logout"})


class SignInMiddleware(LoginRequiredMiddleware):
    """Who pressed a button comes back to the page that had it: the button's own address takes no GET."""

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseRedirect:
        if request.method in ("GET", "HEAD"):
            return super().handle_no_permission(request, view_func)
        came_from = urlsplit(request.headers.get("Referer", ""))
        is_ours = came_from.netloc == request.get_host()
        page = came_from._replace(scheme="", netloc="").geturl() if is_ours else reverse("projects:list")
        return redirect_to_login(page, self.get_login_url(view_func), self.get_redirect_field_name(view_func))


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

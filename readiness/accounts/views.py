"""Signing in, one's own password, people, the site's audit log, health and the error pages."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordChangeForm
from django.core.paginator import Paginator
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseServerError, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template import loader
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from readiness.accounts.access import require_site_admin
from readiness.accounts.forms import AuditFilterForm, PersonForm, SignInForm
from readiness.accounts.models import User
from readiness.accounts.queries import all_people, audit_entries
from readiness.accounts.services import OwnAccountError, add_person, issue_password, set_active
from readiness.lib.web import see_other, wants_fragment

AUDIT_PAGE = 50
PEOPLE_PAGE = 50


class SignIn(auth.LoginView):
    """The sign-in page."""

    template_name = "accounts/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The form; a fragment of a page whose session has ended leads the whole page here instead."""
        if wants_fragment(request):
            back = request.htmx.current_url_abs_path or ""  # type: ignore[attr-defined]
            return HttpResponseClientRedirect(f"{reverse('accounts:login')}?{urlencode({'next': back})}")
        return super().get(request, *args, **kwargs)


class ChangePassword(auth.PasswordChangeView):
    """A new password of one's own choice; other sessions of the person end."""

    template_name = "accounts/password.html"
    success_url = reverse_lazy("projects:list")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """Saves it; it is the person's own now."""
        form.user.password_is_temporary = False
        messages.success(self.request, "Your password was changed. Other browsers were signed out.")
        return super().form_valid(form)


@login_not_required
@require_GET
def health(request: HttpRequest) -> JsonResponse:
    """For load balancers: 200 when the database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


def audit_context(request: HttpRequest, *, project_slug: str | None = None) -> dict[str, Any]:
    """Filter and page of the audit log; of one project when its slug is given. Checks no permission."""
    form = AuditFilterForm(request.GET, entries=audit_entries(project_slug=project_slug))
    chosen = form.cleaned_data if form.is_valid() else {}
    entries = audit_entries(project_slug=project_slug, **chosen)
    return {"form": form, "page": Paginator(entries, AUDIT_PAGE).get_page(request.GET.get("page"))}


@require_GET
def audit_log(request: HttpRequest) -> HttpResponse:
    """The log of the whole site."""
    require_site_admin(request)
    return render(request, "accounts/audit.html", audit_context(request) | {"section": "audit"})


@never_cache
@require_http_methods(["GET", "POST"])
def people(request: HttpRequest) -> HttpResponse:
    """Everybody who can sign in; adds a person and shows their temporary password once."""
    actor = require_site_admin(request)
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        password = add_person(actor=actor, person=form.save(commit=False))
        return _show_password(request, form.instance, password)
    page = Paginator(all_people(), PEOPLE_PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/people.html", {"page": page, "form": form, "section": "people"})


@never_cache
@require_http_methods(["GET", "POST"])
def new_password(request: HttpRequest, user_id: int) -> HttpResponse:
    """Asks first, then replaces a person's password by a temporary one that is shown once."""
    actor = require_site_admin(request)
    person = get_object_or_404(User, pk=user_id)
    if request.method == "POST":
        return _show_password(request, person, issue_password(actor=actor, person=person))
    return render(request, "accounts/new_password.html", {"person": person, "section": "people"})


def _show_password(request: HttpRequest, person: User, password: str) -> HttpResponse:
    context = {"person": person, "password": password, "section": "people"}
    return render(request, "accounts/password_issued.html", context)


@require_POST
def activation(request: HttpRequest, user_id: int) -> HttpResponse:
    """Deactivates or reactivates a person: field ``active`` is 0 or 1."""
    actor = require_site_admin(request)
    person = get_object_or_404(User, pk=user_id)
    active = request.POST.get("active") == "1"
    try:
        set_active(actor=actor, person=person, active=active)
    except OwnAccountError as error:
        messages.error(request, str(error))
    else:
        now = "can sign in again" if active else "can no longer sign in"
        messages.success(request, f"{person.username} {now}.")
    return see_other(request, reverse("accounts:people"))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: the reason is the text that the access helper raised."""
    return render(request, "403.html", {"reason": str(exception or "")}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: the same words for what is not there and for what a stranger may not know of."""
    return render(request, "404.html", status=404)


@login_not_required
def server_error(request: HttpRequest) -> HttpResponse:
    """500: rendered without request, session or database, any of which may be what failed."""
    return HttpResponseServerError(loader.render_to_string("500.html"))

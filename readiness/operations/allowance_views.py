"""The pages of allowances: of one project for its admins, of the site and all projects for site admins."""

from dataclasses import dataclass
from functools import partial

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from readiness.accounts.models import User
from readiness.lib.web import asked_text, see_other
from readiness.limits import services
from readiness.operations.allowance_forms import AllowanceForm, NewAllowanceForm, NewSiteAllowanceForm
from readiness.operations.changes import put_into_force
from readiness.operations.preview_views import begin_preview, previewed, wants_preview
from readiness.operations.spent import spent_already, with_spent
from readiness.projects.access import current_user, get_project, require_site_admin
from readiness.projects.models import Allowance, AllowanceKind, Project, Role
from readiness.projects.queries import allowances_of

ALLOWANCES_PAGE = 50

edits = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where allowances are looked after: in a project, or without one for the whole site."""

    user: User
    project: Project | None

    @classmethod
    def of(cls, request: HttpRequest, slug: str | None) -> "_Desk":
        """Raises Http404 or PermissionDenied."""
        if slug is None:
            return cls(require_site_admin(request), None)
        return cls(current_user(request), get_project(request, slug, Role.ADMIN))

    @property
    def address(self) -> str:
        """Of the list."""
        if self.project:
            return reverse("operations:project_allowances", args=[self.project.slug])
        return reverse("operations:allowances")

    def context(self) -> dict[str, object]:
        section = "limits" if self.project else "allowances"
        return {"section": section, "project": self.project, "allowances_address": self.address}

    def allowance(self, allowance_id: int) -> Allowance:
        return get_object_or_404(allowances_of(self.project), pk=allowance_id)


@require_safe
def allowances(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """Who may use how much."""
    desk = _Desk.of(request, slug)
    search = asked_text(request, "q")
    page = Paginator(allowances_of(desk.project, search), ALLOWANCES_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "rows": with_spent(page), "search": search}
    return render(request, "operations/allowances.html", desk.context() | context)


@edits
def new_allowance(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """Sets what a subject may use."""
    desk = _Desk.of(request, slug)
    form_class = NewAllowanceForm if desk.project else NewSiteAllowanceForm
    form = form_class(request.POST or None, project=desk.project)
    if request.method == "POST" and form.is_valid():
        if wants_preview(request):
            return begin_preview(request, Allowance(**form.subject_of()), form.values())
        change = partial(services.set_allowance, actor=desk.user, **form.subject_of(), values=form.values())
        if put_into_force(request, change, "The allowance is in force.", form):
            _warn_of_spent(request, Allowance(**form.subject_of(), **form.values()))
            return see_other(request, desk.address)
    return render(request, "operations/allowance.html", desk.context() | {"form": form})


@edits
def allowance(request: HttpRequest, allowance_id: int, slug: str | None = None) -> HttpResponse:
    """Changes what a subject may use."""
    desk = _Desk.of(request, slug)
    found = desk.allowance(allowance_id)
    form = AllowanceForm(request.POST or None, row=found)
    if desk.project is None:
        form.initial.update(previewed(request, found))
    if request.method == "POST" and form.is_valid():
        if wants_preview(request):
            return begin_preview(request, found, form.values())
        change = partial(
            services.set_allowance,
            actor=desk.user,
            project=found.project,
            kind=AllowanceKind(found.kind),
            subject=found.subject,
            values=form.values(),
        )
        if put_into_force(request, change, "The allowance is in force.", form):
            found.refresh_from_db()
            _warn_of_spent(request, found)
            return see_other(request, desk.address)
    return render(request, "operations/allowance.html", desk.context() | {"form": form, "allowance": found})


@edits
def remove_allowance(request: HttpRequest, allowance_id: int, slug: str | None = None) -> HttpResponse:
    """Asks first, then takes the limit away."""
    desk = _Desk.of(request, slug)
    found = desk.allowance(allowance_id)
    if request.method == "POST":
        remove = partial(services.remove_allowance, actor=desk.user, allowance=found)
        put_into_force(request, remove, f"The allowance of {found.whom} is removed.")
        return see_other(request, desk.address)
    return render(request, "operations/allowance_remove.html", desk.context() | {"allowance": found})


def _warn_of_spent(request: HttpRequest, allowance: Allowance) -> None:
    for sentence in spent_already(allowance, timezone.now()):
        messages.warning(request, sentence)

"""Pages of projects: the list, a new one, its settings, its people, its audit log."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from readiness.accounts.views import audit_context
from readiness.lib.web import see_other
from readiness.projects.access import current_user, get_project, role_in
from readiness.projects.forms import MemberForm, ProjectForm, RoleForm
from readiness.projects.models import Membership, Project, Role
from readiness.projects.presets import PRESETS, preset_of
from readiness.projects.queries import members_of, project_rows
from readiness.projects.services import (
    AlreadyMemberError,
    LastAdminError,
    add_member,
    change_role,
    create_project,
    remove_member,
    update_project,
)

PROJECTS_PAGE = 50


@require_GET
def project_list(request: HttpRequest) -> HttpResponse:
    """All projects that the signed-in person may open."""
    rows = project_rows(current_user(request))
    page = Paginator(rows, PROJECTS_PAGE).get_page(request.GET.get("page"))
    return render(request, "projects/list.html", {"page": page})


@require_http_methods(["GET", "POST"])
def new_project(request: HttpRequest) -> HttpResponse:
    """First the choice of a category and use case, then the form, which they fill in."""
    actor = current_user(request)
    preset = preset_of(request.GET.get("category", ""))
    if request.method == "GET" and preset is None:
        return render(request, "projects/choose.html", {"presets": PRESETS})
    initial = {"category": request.GET.get("category"), "use_case": request.GET.get("use_case", "")[:200]}
    form = ProjectForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        project = create_project(actor=actor, details=form.details())
        messages.success(request, f"{project.name} was created. You are its admin.")
        return see_other(request, reverse("checklist:overview", args=[project.slug]))
    return render(request, "projects/new.html", {"form": form})


@require_http_methods(["GET", "POST"])
def project_settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Name, purpose and requirements: to read for everybody, to change for admins."""
    project = get_project(request, slug, Role.ADMIN if request.method == "POST" else Role.VIEWER)
    form = ProjectForm(request.POST or None, project=project)
    if request.method == "POST" and form.is_valid():
        update_project(actor=current_user(request), project=project, details=form.details())
        messages.success(request, "The settings were saved.")
        return see_other(request, reverse("projects:settings", args=[slug]))
    context = {"form": form, "project": project, "section": "settings", "tab": "general"}
    return render(request, "projects/settings.html", context)


@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, slug: str) -> HttpResponse:
    """Who may do what: to read for everybody, to change for admins."""
    project = get_project(request, slug, Role.ADMIN if request.method == "POST" else Role.VIEWER)
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user, role = form.cleaned_data["username"], form.cleaned_data["role"]
        try:
            add_member(actor=current_user(request), project=project, user=user, role=role)
        except AlreadyMemberError as error:
            form.add_error("username", str(error))
        else:
            messages.success(request, f"{user.username} is now {role.value} of {project.name}.")
            return see_other(request, reverse("projects:members", args=[slug]))
    return render(request, "projects/members.html", _members_context(project, form))


def _members_context(project: Project, form: MemberForm) -> dict[str, Any]:
    return {
        "project": project,
        "memberships": members_of(project),
        "form": form,
        "roles": Role,
        "section": "settings",
        "tab": "members",
    }


@require_POST
def member_role(request: HttpRequest, slug: str, membership_id: int) -> HttpResponse:
    """Changes one person's role."""
    project = get_project(request, slug, Role.ADMIN)
    membership = get_object_or_404(members_of(project), pk=membership_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["role"][0]))
        return see_other(request, reverse("projects:members", args=[slug]))
    try:
        change_role(actor=current_user(request), membership=membership, role=form.cleaned_data["role"])
    except LastAdminError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{membership.user.username} is now {membership.role} of {project.name}.")
    return _back_to_members(request, project)


@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, slug: str, membership_id: int) -> HttpResponse:
    """Asks first, then takes a person out of the project."""
    project = get_project(request, slug, Role.ADMIN)
    membership = get_object_or_404(members_of(project), pk=membership_id)
    if request.method == "GET":
        return render(request, "projects/remove.html", _remove_context(project, membership))
    try:
        remove_member(actor=current_user(request), membership=membership)
    except LastAdminError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{membership.user.username} is no longer in {project.name}.")
    return _back_to_members(request, project)


def _remove_context(project: Project, membership: Membership) -> dict[str, Any]:
    return {"project": project, "membership": membership, "section": "settings", "tab": "members"}


def _back_to_members(request: HttpRequest, project: Project) -> HttpResponse:
    """To the people, or to all projects for somebody who has just left this one."""
    if role_in(current_user(request), project) is None:
        return see_other(request, reverse("projects:list"))
    return see_other(request, reverse("projects:members", args=[project.slug]))


@require_GET
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    """What admins changed in this project."""
    project = get_project(request, slug, Role.ADMIN)
    context = audit_context(request, project_slug=project.slug)
    return render(
        request, "projects/audit.html", context | {"project": project, "section": "settings", "tab": "audit"}
    )

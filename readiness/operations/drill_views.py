"""The pages of drills. Everybody in a project reads their reports; its admins start and cancel them."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from redis import RedisError

from readiness.lib.web import see_other, vary_on_htmx, wants_fragment
from readiness.operations.drill_jobs import enqueue_drill
from readiness.operations.drill_queries import Report, active_drill, drill_rows, is_of_today, reports_of
from readiness.operations.drill_services import AnotherDrillError, cancel_drill, fail_drill, start_drill
from readiness.operations.drills.catalogue import DRILLS
from readiness.operations.models import DrillReport
from readiness.projects.access import current_user, get_project, require_site_admin, role_in
from readiness.projects.models import Project, Role

_SHOWN = 20
"""Newest reports that the list shows below the catalogue."""


@require_safe
def drills(request: HttpRequest, slug: str) -> HttpResponse:
    """The catalogue with how each drill went last, and the newest reports."""
    project = get_project(request, slug)
    rows, active = drill_rows(project), active_drill(timezone.now())
    context = {
        "project": project,
        "section": "limits",
        "rows": rows,
        "reports": [Report(row) for row in reports_of(project)[:_SHOWN]],
        "active": active,
        # Its report is shown to those of its own project only.
        "active_here": active is not None and active.project_id in (None, project.pk),
    }
    return render(request, "operations/drills.html", context)


@require_POST
def start(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Lets a worker hold the drill, unless another one is under way on this site."""
    project = get_project(request, slug, Role.ADMIN)
    if name not in DRILLS:
        raise Http404("No such drill.")
    user, now = current_user(request), timezone.now()
    try:
        with transaction.atomic():
            report = start_drill(name=name, project=project, actor=user, now=now)
            transaction.on_commit(partial(_enqueue, report.pk))
    except AnotherDrillError as error:
        messages.error(request, str(error))
        return see_other(request, reverse("operations:drills", args=[slug]))
    return see_other(request, _address(project, report))


def _enqueue(report_id: int) -> None:
    try:
        enqueue_drill(report_id)
    except RedisError:
        trouble = "Redis does not answer, so no worker can be told. Try again when it is back."
        fail_drill(report_id=report_id, trouble=trouble, now=timezone.now())


def _address(project: Project, report: DrillReport) -> str:
    return reverse("operations:drill", args=[project.slug, report.pk])


@require_safe
def drill(request: HttpRequest, slug: str, report_id: int) -> HttpResponse:
    """Progress while it is held, then what was expected and what was found."""
    return render(request, "operations/drill.html", _context(request, slug, report_id))


@require_safe
def drill_progress(request: HttpRequest, slug: str, report_id: int) -> HttpResponse:
    """The part that changes. When the drill is over, htmx reloads the page with its findings."""
    context = _context(request, slug, report_id)
    if not wants_fragment(request):
        return redirect("operations:drill", slug, report_id)
    response = render(request, "operations/_drill_progress.html", context)
    if not context["report"].row.active or context["lost"]:
        response["HX-Refresh"] = "true"
    return vary_on_htmx(response)


def _context(request: HttpRequest, slug: str, report_id: int) -> dict[str, Any]:
    project, now = get_project(request, slug), timezone.now()
    report = Report(get_object_or_404(reports_of(project), pk=report_id))
    began, expected_s = report.row.started_at, report.drill.seconds if report.drill else 0
    elapsed_s = (now - began).total_seconds() if began else 0.0
    return {
        "project": project,
        "section": "limits",
        "report": report,
        "lost": report.row.is_lost(now),
        "elapsed_s": min(elapsed_s, expected_s),
        "left_s": max(0.0, expected_s - elapsed_s),
        "of_today": is_of_today(report, project),
        "may_cancel": report.row.active and _may_cancel(request, project, report.row),
    }


def _may_cancel(request: HttpRequest, project: Project, report: DrillReport) -> bool:
    """A drill that was started for the whole site is a site admin's."""
    user = current_user(request)
    return user.is_site_admin or (report.project_id is not None and role_in(user, project) is Role.ADMIN)


@require_POST
def cancel(request: HttpRequest, slug: str, report_id: int) -> HttpResponse:
    """Nothing is lost that could not be held again, so it does not ask first."""
    project = get_project(request, slug, Role.ADMIN)
    report = get_object_or_404(reports_of(project), pk=report_id)
    if report.project_id is None:
        require_site_admin(request)
    cancel_drill(report_id=report.pk, now=timezone.now())
    return see_other(request, _address(project, report))

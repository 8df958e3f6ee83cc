"""Pages of the checklist: the overview, a step, a criterion, what would be shipped; and their fragments."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from readiness.alerts.queries import open_alerts
from readiness.checklist.actions import fix_path, next_best_actions
from readiness.checklist.catalogue import Criterion, Step, current
from readiness.checklist.figures import day_figures
from readiness.checklist.forms import AttestForm, CommentForm, TargetForm
from readiness.checklist.models import Attestation
from readiness.checklist.pages import CriterionPage, HistoryRow, first_steps, verdict_display
from readiness.checklist.queries import (
    Checklist,
    attestations_of,
    comments_of,
    evidence_history,
    target_of,
    verdicts,
)
from readiness.checklist.services import (
    NotAttestableError,
    attest,
    comment,
    gather_evidence,
    set_target,
    withdraw,
)
from readiness.evaluations.queries import finished_runs
from readiness.lib.web import see_other
from readiness.projects.access import current_user, get_project
from readiness.projects.models import Project, Role
from readiness.reviews.queries import waiting_count

ACTIONS_SHOWN = 5
EVIDENCE_PAGE = 20


@require_safe
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    """The verdict, the six steps, and what to do next."""
    project = get_project(request, slug)
    checklist = _measured(project, timezone.now())
    last_run = finished_runs(project).filter(deployments=checklist.target.deployment_id).first()
    actions = next_best_actions(checklist, last_run)
    context = _context(request, checklist, "overview") | {
        "display": verdict_display(checklist.summary.verdict),
        "actions": actions[:ACTIONS_SHOWN],
        "more_actions": max(len(actions) - ACTIONS_SHOWN, 0),
        "first_steps": first_steps(project, checklist.target, has_run=last_run is not None),
    }
    return render(request, "checklist/overview.html", context)


def _measured(project: Project, now: datetime) -> Checklist:
    """Brings the evidence up to date, which costs a few queries when nothing is new, and judges it."""
    gather_evidence(project, now)
    return verdicts(project, now)


def _context(request: HttpRequest, checklist: Checklist, section: str) -> dict[str, Any]:
    return {
        "project": checklist.project,
        "section": section,
        "checklist": checklist,
        "simulated": checklist.simulated,
        "may_write": _may_write(request),
    }


def _may_write(request: HttpRequest) -> bool:
    """Whether buttons are offered; each view decides for itself whether they work."""
    role: Role = request.role  # type: ignore[attr-defined]
    return role.covers(Role.MEMBER)


@require_safe
def step(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Every criterion of one step."""
    project = get_project(request, slug)
    if not 1 <= number <= len(current().steps):
        raise Http404("No such step.")
    checklist = _measured(project, timezone.now())
    shown = checklist.steps[number - 1]
    blockers_only = request.GET.get("show") == "blockers"
    rows = [
        {"view": view, "href": fix_path(project, view.criterion)}
        for view in shown.measured
        if view.criterion.blocker or not blockers_only
    ]
    context = _context(request, checklist, f"step-{number}") | {
        "step": shown,
        "blockers_only": blockers_only,
        "rows": rows,
        "unmeasured": [v for v in shown.unmeasured if v.criterion.blocker or not blockers_only],
    }
    return render(request, "checklist/step.html", context)


@require_safe
def criterion(request: HttpRequest, slug: str, criterion_id: str) -> HttpResponse:
    """Why a criterion matters, its rule, what was measured, and what people say about it."""
    project = get_project(request, slug)
    return _criterion_page(request, project, _criterion(criterion_id), AttestForm(), CommentForm())


def _criterion(criterion_id: str) -> Criterion:
    try:
        return current().criterion(criterion_id)
    except LookupError as error:
        raise Http404(str(error)) from error


def _criterion_page(
    request: HttpRequest, project: Project, shown: Criterion, attest_form: AttestForm, note_form: CommentForm
) -> HttpResponse:
    """The page; with 422 when one of its forms was sent with mistakes."""
    checklist = _measured(project, timezone.now())
    view = checklist.views[shown.id]
    history = Paginator(evidence_history(project, shown), EVIDENCE_PAGE).get_page(request.GET.get("page"))
    context = _context(request, checklist, f"step-{shown.step}") | {
        "view": view,
        "page": CriterionPage(view),
        "step": _step_of(shown),
        "href": fix_path(project, shown),
        "history": history,
        "measurements": [HistoryRow(row, shown) for row in history],
        "attestations": _attestations(request, project, shown),
        "comments": comments_of(project, shown),
        "attest_form": attest_form,
        "note_form": note_form,
    }
    status = 422 if attest_form.errors or note_form.errors else 200
    return render(request, "checklist/criterion.html", context, status=status)


def _step_of(shown: Criterion) -> Step:
    return current().steps[shown.step - 1]


def _attestations(request: HttpRequest, project: Project, shown: Criterion) -> list[dict[str, Any]]:
    now = timezone.now()
    return [
        {
            "row": row,
            "standing": row.withdrawn_at is None and row.expires_at > now,
            "may_withdraw": row.withdrawn_at is None and _may_withdraw(request, row),
        }
        for row in attestations_of(project, shown)
    ]


def _may_withdraw(request: HttpRequest, attestation: Attestation) -> bool:
    """Who gave the word, while they may still write, and every admin of the project."""
    role: Role = request.role  # type: ignore[attr-defined]
    if role.covers(Role.ADMIN):
        return True
    return attestation.by_id == current_user(request).pk and role.covers(Role.MEMBER)


@require_POST
def attest_criterion(request: HttpRequest, slug: str, criterion_id: str) -> HttpResponse:
    """A member vouches for a criterion."""
    project = get_project(request, slug, Role.MEMBER)
    shown = _criterion(criterion_id)
    form = AttestForm(request.POST)
    if not form.is_valid():
        return _criterion_page(request, project, shown, form, CommentForm())
    note = form.cleaned_data["note"]
    try:
        attest(actor=current_user(request), project=project, criterion=shown, note=note, now=timezone.now())
    except NotAttestableError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"You vouch for {shown.id}: {shown.title}.")
    return see_other(request, reverse("checklist:criterion", args=[slug, shown.id]))


@require_POST
def withdraw_attestation(request: HttpRequest, slug: str, attestation_id: int) -> HttpResponse:
    """Its author or an admin takes a word back."""
    project = get_project(request, slug, Role.MEMBER)
    attestation = get_object_or_404(Attestation, pk=attestation_id, project=project)
    if not _may_withdraw(request, attestation):
        raise PermissionDenied("Only who gave their word and admins can take it back.")
    if withdraw(actor=current_user(request), attestation=attestation, now=timezone.now()):
        messages.success(request, "The attestation was withdrawn. It stays in the history.")
    return see_other(request, reverse("checklist:criterion", args=[slug, attestation.criterion]))


@require_POST
def comment_criterion(request: HttpRequest, slug: str, criterion_id: str) -> HttpResponse:
    """A member adds a note to the discussion."""
    project = get_project(request, slug, Role.MEMBER)
    shown = _criterion(criterion_id)
    form = CommentForm(request.POST)
    if not form.is_valid():
        return _criterion_page(request, project, shown, AttestForm(), form)
    comment(actor=current_user(request), project=project, criterion=shown, text=form.cleaned_data["text"])
    return see_other(request, reverse("checklist:criterion", args=[slug, shown.id]) + "#discussion")


@require_http_methods(["GET", "HEAD", "POST"])
def set_project_target(request: HttpRequest, slug: str) -> HttpResponse:
    """What the project intends to ship: evidence has to be measured on exactly this."""
    project = get_project(request, slug, Role.MEMBER)
    form = TargetForm(request.POST or None, project=project, target=target_of(project))
    if request.method == "POST" and form.is_valid():
        set_target(actor=current_user(request), project=project, details=form.details(), now=timezone.now())
        messages.success(request, "The checklist is now about this target.")
        return see_other(request, reverse("checklist:overview", args=[slug]))
    context = {"project": project, "section": "overview", "form": form}
    return render(request, "checklist/target.html", context, status=422 if form.errors else 200)


@require_safe
def last_day(request: HttpRequest, slug: str) -> HttpResponse:
    """Figures of the last 24 hours, loaded after the overview."""
    project = get_project(request, slug)
    context = {"project": project, "figures": day_figures(project, timezone.now())}
    return render(request, "checklist/_last_day.html", context)


@require_safe
def nav(request: HttpRequest, slug: str) -> HttpResponse:
    """Marks and counts of the side navigation."""
    project = get_project(request, slug)
    steps = [
        {
            "number": shown.summary.step.number,
            "met": shown.summary.met,
            "total": shown.summary.total,
            "status": shown.summary.status.display,
        }
        for shown in verdicts(project, timezone.now()).steps
    ]
    context = {
        "steps": steps,
        "reviews_waiting": waiting_count(project),
        "alerts_open": open_alerts(project).count(),
    }
    return render(request, "checklist/_nav.html", context)


@require_safe
def badge(request: HttpRequest, slug: str) -> HttpResponse:
    """A project's verdict, for its row in the list of projects."""
    project = get_project(request, slug)
    verdict = verdicts(project, timezone.now()).summary.verdict
    context = {"project": project, "verdict": verdict, "display": verdict_display(verdict)}
    return render(request, "checklist/_badge.html", context)

"""The pages of previews. Policy belongs to the site, so only site admins see what it would do."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from csp.decorators import csp_update
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from redis import RedisError

from readiness.accounts.models import User
from readiness.lib.formats import column_words
from readiness.lib.plots import PLOTLY_STYLES
from readiness.lib.web import row_id, see_other, vary_on_htmx, wants_fragment
from readiness.limits.queries import upstream_of
from readiness.operations.changes import put_into_force
from readiness.operations.models import Preview, PreviewState
from readiness.operations.preview_charts import tiers_figure, waits_chart
from readiness.operations.preview_forms import TraceForm
from readiness.operations.preview_jobs import enqueue_preview
from readiness.operations.preview_results import Result
from readiness.operations.preview_services import (
    ChangedMeanwhileError,
    cancel_preview,
    fail_preview,
    save_preview,
    start_preview,
)
from readiness.operations.preview_subjects import Row, Subject, subject_of
from readiness.operations.preview_tables import (
    Names,
    Pair,
    group_pairs,
    quota_pairs,
    refusal_pairs,
    sentences,
)
from readiness.projects.access import require_site_admin
from readiness.projects.models import Project, Tier
from readiness.providers.models import Deployment

_GONE = (Tier.DoesNotExist, Project.DoesNotExist)


def wants_preview(request: HttpRequest) -> bool:
    """Whether the form was sent by its button “Preview”."""
    return "preview" in request.POST


def begin_preview(request: HttpRequest, row: Row, values: Mapping[str, Any]) -> HttpResponse:
    """Replays what was typed without saving it. Raises PermissionDenied."""
    return _begin(request, require_site_admin(request), subject_of(row), values)


def previewed(request: HttpRequest, row: Row) -> dict[str, Any]:
    """What was typed for the row when the preview was made that the address names; empty without one."""
    asked = row_id(request.GET.get("preview", "")) or 0
    found = Preview.objects.filter(pk=asked).only("subject", "after").first()
    if found is None or found.subject != subject_of(row).to_json():
        return {}
    return subject_of(row).read(found.after)


def _begin(
    request: HttpRequest, user: User, subject: Subject, values: Mapping[str, Any], **trace: Any
) -> HttpResponse:
    with transaction.atomic():
        preview = start_preview(actor=user, subject=subject, values=values, now=timezone.now(), **trace)
        transaction.on_commit(partial(_enqueue, preview.pk))
    return see_other(request, _address(preview))


def _enqueue(preview_id: int) -> None:
    try:
        enqueue_preview(preview_id)
    except RedisError:
        trouble = "Redis does not answer, so no worker can be told. Try again when it is back."
        fail_preview(preview_id=preview_id, trouble=trouble, now=timezone.now())


def _address(preview: Preview) -> str:
    return reverse("operations:preview", args=[preview.pk])


def _found(request: HttpRequest, preview_id: int, *unread: str) -> tuple[User, Preview]:
    """The person and the preview, without the columns that are ``unread`` and never its trace."""
    user = require_site_admin(request)
    # A trace is megabytes, and only the worker replays it.
    previews = Preview.objects.select_related("created_by").defer("trace", *unread)
    return user, get_object_or_404(previews, pk=preview_id)


@require_safe
@csp_update(PLOTLY_STYLES)  # type: ignore[arg-type]  # annotated for views without URL arguments
def preview(request: HttpRequest, preview_id: int) -> HttpResponse:
    """Progress while it runs, then what the change would have done."""
    _, found = _found(request, preview_id)
    context = _context(found)
    if found.result:
        context |= _shown(Result.from_json(found.result))
    return render(request, "operations/preview.html", context)


@require_safe
def preview_progress(request: HttpRequest, preview_id: int) -> HttpResponse:
    """The part that changes. When the replay is over, htmx reloads the page with its figures."""
    _, found = _found(request, preview_id, "result")
    if not wants_fragment(request):
        return redirect("operations:preview", preview_id)
    response = render(request, "operations/_preview_progress.html", _context(found))
    if not found.is_active or found.is_lost(timezone.now()):
        response["HX-Refresh"] = "true"
    return vary_on_htmx(response)


def _context(found: Preview) -> dict[str, Any]:
    subject = Subject.from_json(found.subject)
    before, after = subject.read(found.before), subject.read(found.after)
    return {
        "section": "tiers" if subject.tier else "allowances",
        "preview": found,
        "subject_address": _subject_address(subject),
        "changes": [
            Pair(name=column_words(name), before=before.get(name), after=value)
            for name, value in after.items()
            if before.get(name) != value
        ],
        "in_force": (saved := _in_force(subject)) == after,
        "changed_since": saved not in (before, after),
        "lost": found.is_lost(timezone.now()),
    }


def _in_force(subject: Subject) -> dict[str, Any]:
    """What is saved now; empty where that was deleted."""
    try:
        return subject.current()
    except _GONE:
        return {}


def _subject_address(subject: Subject) -> str:
    try:
        return subject.address()
    except _GONE:
        return reverse("operations:tiers")


def _shown(result: Result) -> dict[str, Any]:
    deployments = Deployment.objects.select_related("account")
    names = Names(
        tiers=dict(Tier.objects.values_list("slug", "name")),
        projects=dict(Project.objects.values_list("pk", "name")),
        deployments={upstream_of(row.pk): f"{row.account.name} · {row.name}" for row in deployments},
    )
    groups = group_pairs(result, names)
    return {
        "result": result,
        "sentences": sentences(groups),
        "tiers_figure": tiers_figure(result, names),
        "waits": waits_chart(result, names),
        "groups": groups,
        "refusals": refusal_pairs(result, names),
        "quota": quota_pairs(result, names),
    }


@require_POST
def cancel_preview_view(request: HttpRequest, preview_id: int) -> HttpResponse:
    """Nothing is lost that could not be replayed again, so it does not ask first."""
    _, found = _found(request, preview_id)
    cancel_preview(preview_id=found.pk, now=timezone.now())
    return see_other(request, _address(found))


@require_POST
def repeat_preview(request: HttpRequest, preview_id: int) -> HttpResponse:
    """The same values over the requests of the day that ends now."""
    user, found = _found(request, preview_id)
    subject = Subject.from_json(found.subject)
    return _of_same(request, user, subject, found)


@require_http_methods(["GET", "HEAD", "POST"])
def preview_trace(request: HttpRequest, preview_id: int) -> HttpResponse:
    """The same values over an uploaded trace."""
    user, found = _found(request, preview_id)
    subject = Subject.from_json(found.subject)
    form = TraceForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        return _of_same(request, user, subject, found, trace=form.trace(), trace_label=form.trace_label())
    return render(request, "operations/preview_trace.html", _context(found) | {"form": form})


def _of_same(
    request: HttpRequest, user: User, subject: Subject, found: Preview, **trace: Any
) -> HttpResponse:
    try:
        return _begin(request, user, subject, subject.read(found.after), **trace)
    except _GONE:
        messages.error(request, "What was to be changed was deleted meanwhile.")
        return see_other(request, _address(found))


@require_POST
def put_preview_into_force(request: HttpRequest, preview_id: int) -> HttpResponse:
    """Saves the values that were previewed."""
    user, found = _found(request, preview_id)
    if found.state != PreviewState.DONE:
        raise PermissionDenied("Only a preview that is done can be put into force.")
    try:
        done = put_into_force(
            request, partial(save_preview, actor=user, preview=found), "The change is saved and in force."
        )
    except ChangedMeanwhileError as error:
        messages.error(request, str(error))
        done = False
    subject = Subject.from_json(found.subject)
    return see_other(request, _subject_address(subject) if done else _address(found))

"""The review queue, single items, the history and the export."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from readiness.lib.web import row_id, see_other, vary_on_htmx, wants_fragment
from readiness.projects.access import current_user, get_project
from readiness.projects.models import Project, Role
from readiness.reviews.exports import as_csv, as_jsonl
from readiness.reviews.forms import HistoryFilter, VerdictForm
from readiness.reviews.models import Decision, ReviewItem, Verdict
from readiness.reviews.pages import item_context, lease_context, queue_context
from readiness.reviews.queries import EXPORT, export_rows, items_of
from readiness.reviews.services import (
    LeaseLostError,
    UndoRefusedError,
    decide,
    renew,
    restore_skipped,
    skip,
    undo,
)

PAGE = 25


@never_cache
@require_GET
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    """A reviewer's next item, leased to them; everybody else reads what waits.

    ``back=n`` shows the reviewer's n-th latest verdict instead; it takes no lease.
    """
    project = get_project(request, slug)
    back = request.GET.get("back", "")
    return _show_queue(request, project, back=row_id(back) or 0)


def _show_queue(
    request: HttpRequest,
    project: Project,
    *,
    back: int = 0,
    form: VerdictForm | None = None,
    said: str = "",
    status: int = 200,
) -> HttpResponse:
    role: Role = request.role  # type: ignore[attr-defined]
    context = queue_context(
        project,
        current_user(request),
        timezone.now(),
        reviews=role.covers(Role.REVIEWER),
        back=back,
        form=form,
    )
    context |= {"project": project, "section": "reviews", "said": said}
    template = "reviews/_answer.html" if wants_fragment(request) else "reviews/queue.html"
    return vary_on_htmx(render(request, template, context, status=status))


@require_POST
def decide_item(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """Writes the verdict and goes on to the next item; a lost lease gives the typed text back."""
    project = get_project(request, slug, Role.REVIEWER)
    item = get_object_or_404(project.review_items, pk=item_id)
    form = VerdictForm(request.POST, item=item)
    reviewer, now = current_user(request), timezone.now()
    try:
        if not form.is_valid():
            renew(item=item, token=request.POST.get("token", ""), reviewer=reviewer, now=now)
            return _show_queue(request, project, form=form, status=422)
        values = dict(form.cleaned_data)
        verdict = Verdict(values.pop("verdict"))
        decide(item=item, reviewer=reviewer, verdict=verdict, now=now, **values)
    except LeaseLostError:
        return _conflict(request, project, item, request.POST)
    return _go_on(request, project, f"{_PAST[verdict]}: {item.question}")


_PAST = {Verdict.APPROVE: "Approved", Verdict.REJECT: "Rejected", Verdict.CORRECT: "Corrected"}


def _go_on(request: HttpRequest, project: Project, said: str) -> HttpResponse:
    """The next item in place for htmx; a browser without it is led to the queue."""
    if wants_fragment(request):
        return _show_queue(request, project, said=said)
    messages.success(request, said)
    return see_other(request, reverse("reviews:queue", args=[project.slug]))


def _conflict(
    request: HttpRequest, project: Project, item: ReviewItem, draft: Mapping[str, Any]
) -> HttpResponse:
    item.refresh_from_db()
    context = item_context(project, item) | {"draft": draft, "section": "reviews"}
    template = "reviews/_conflict.html" if wants_fragment(request) else "reviews/conflict.html"
    return vary_on_htmx(render(request, template, context, status=409))


@require_POST
def skip_item(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """Leaves the item to somebody else."""
    project = get_project(request, slug, Role.REVIEWER)
    item = get_object_or_404(project.review_items, pk=item_id)
    token = request.POST.get("token", "")
    try:
        skip(item=item, token=token, reviewer=current_user(request), now=timezone.now())
    except LeaseLostError:
        return _conflict(request, project, item, {})
    return _go_on(request, project, f"Skipped: {item.question}")


@require_POST
def restore(request: HttpRequest, slug: str) -> HttpResponse:
    """Offers the reviewer again what they skipped."""
    project = get_project(request, slug, Role.REVIEWER)
    count = restore_skipped(project=project, reviewer=current_user(request))
    return _go_on(request, project, f"{count} skipped item{'' if count == 1 else 's'} came back.")


@require_POST
def renew_lease(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """Extends the lease of an active reviewer: the line that counts it down, or that it is lost."""
    project = get_project(request, slug, Role.REVIEWER)
    item = get_object_or_404(project.review_items, pk=item_id)
    token, now = request.POST.get("token", ""), timezone.now()
    try:
        until: datetime | None = renew(item=item, token=token, reviewer=current_user(request), now=now)
    except LeaseLostError:
        until = None
    context = lease_context(item, token, until, now) | {"project": project}
    if wants_fragment(request):
        return vary_on_htmx(render(request, "reviews/_lease.html", context))
    return see_other(request, reverse("reviews:queue", args=[slug]))


@require_POST
def undo_decision(request: HttpRequest, slug: str, decision_id: int) -> HttpResponse:
    """Takes the reviewer's own verdict back and leases them the item again."""
    project = get_project(request, slug, Role.REVIEWER)
    decision = get_object_or_404(Decision, pk=decision_id, item__project=project)
    try:
        lease = undo(decision=decision, reviewer=current_user(request), now=timezone.now())
    except UndoRefusedError as error:
        return _go_on(request, project, str(error))
    return _go_on(request, project, f"Taken back: {lease.item.question}")


@require_GET
def item_page(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """One item with all its decisions."""
    project = get_project(request, slug)
    item = get_object_or_404(project.review_items.select_related("deployment"), pk=item_id)
    return render(request, "reviews/item.html", item_context(project, item) | {"section": "reviews"})


@require_GET
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """All items of the project, with filter and search."""
    project = get_project(request, slug)
    form = HistoryFilter(request.GET)
    items = items_of(project, **form.chosen()).select_related("deployment")
    context = {
        "project": project,
        "section": "reviews",
        "form": form,
        "page": Paginator(items, PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "reviews/history.html", context)


@require_GET
def export(request: HttpRequest, slug: str, extension: str) -> StreamingHttpResponse:
    """Every decision as CSV or JSON lines, for everybody who may read the project."""
    project = get_project(request, slug)
    rows = export_rows(project)
    lines, kind = (
        (as_csv(rows, EXPORT), "text/csv") if extension == "csv" else (as_jsonl(rows), "application/jsonl")
    )
    return StreamingHttpResponse(
        lines,
        content_type=f"{kind}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{project.slug}-decisions.{extension}"'},
    )

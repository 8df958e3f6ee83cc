"""Pages of benchmarks: plan, watch, compare."""

from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from redis import RedisError

from readiness.benchmarks.forms import BenchmarkForm, BudgetForm
from readiness.benchmarks.queries import (
    AnswerFilters,
    dataset_version_of,
    examples_of,
    results_of,
    side_by_side,
    strata_of,
)
from readiness.benchmarks.services import (
    BenchmarkPlan,
    applicable_scorers,
    estimate,
    precision_in_points,
    start,
)
from readiness.benchmarks.tables import comparison, strata_table
from readiness.evaluations.jobs import enqueue_shards
from readiness.evaluations.models import Run, RunState
from readiness.evaluations.queries import progress, progress_of, runs_of
from readiness.evaluations.services.runs import (
    RunRefusedError,
    cancel_run,
    pause_run,
    resume_run,
    retry_failed,
)
from readiness.lib.money import nanos
from readiness.lib.web import asked_text, see_other, vary_on_htmx, wants_fragment
from readiness.limits.queries import redis_health
from readiness.projects.access import current_user, get_project
from readiness.projects.models import Project, Role

PER_PAGE = 25
EXAMPLES_PER_PAGE = 10


@require_GET
def run_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = get_project(request, slug)
    state = request.GET.get("state", "")
    runs = runs_of(project)
    if state in RunState.values:
        runs = runs.filter(state=state)
    page = Paginator(runs, PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    known = progress_of(shown, timezone.now())
    rows = [(run, known[run.pk]) for run in shown]
    context = {
        "project": project,
        "section": "benchmarks",
        "page": page,
        "rows": rows,
        "states": RunState.choices,
        "state": state,
    }
    return render(request, "benchmarks/list.html", context)


def new_run(request: HttpRequest, slug: str) -> HttpResponse:
    """First post: the estimate. Second post, with its token: the run, if the plan is still the same."""
    project = get_project(request, slug, Role.MEMBER)
    form = BenchmarkForm(request.POST or None, project=project, initial=_initial(request, project))
    context: dict[str, Any] = {"project": project, "section": "benchmarks", "form": form}
    if request.method == "POST" and form.is_valid():
        plan = form.plan()
        try:
            if run := _start(request, plan):
                return see_other(request, reverse("benchmarks:run", args=[slug, run.id]))
            context |= {
                "plan": plan,
                "estimate": estimate(plan, timezone.now().date()),
                "precision": precision_in_points(plan.dataset_version.example_count),
                "token": uuid4(),
            }
        except RunRefusedError as error:
            form.add_error(None, str(error))
    return render(request, "benchmarks/new.html", context)


def _start(request: HttpRequest, plan: BenchmarkPlan) -> Run | None:
    """The started run; None as long as a person has not seen the estimate of this very plan."""
    token = _token(request)
    if token is None:
        return None
    if request.POST.get("estimated") != plan.fingerprint:
        messages.warning(request, "You changed the plan after its estimate. Here is the new one.")
        return None
    run = start(plan, by=current_user(request), on=timezone.now().date(), run_id=token)
    _enqueue(request, run)
    return run


def _initial(request: HttpRequest, project: Project) -> dict[str, object]:
    """Preselection from a link, such as a criterion's "run benchmark"."""
    initial: dict[str, object] = {"name": f"Benchmark of {timezone.now():%-d %b %Y, %H:%M}", "budget": 5}
    for name in ("dataset_version", "prompt_version"):
        if name in request.GET:
            initial[name] = request.GET[name]
    if version := dataset_version_of(project, request.GET.get("dataset_version", "")):
        initial["scorers"] = applicable_scorers(version, with_judge=False)
    if chosen := request.GET.getlist("deployments"):
        initial["deployments"] = chosen
    return initial


def _token(request: HttpRequest) -> UUID | None:
    """The id that the run will have: a form that is sent twice starts one run."""
    try:
        return UUID(request.POST.get("token", ""))
    except ValueError:
        return None


def _enqueue(request: HttpRequest, run: Run) -> None:
    """Shards go into the queue after the commit; without Redis the reaper starts the run later."""

    def send() -> None:
        try:
            enqueue_shards(run.id)
        except RedisError:
            messages.warning(request, "Redis does not answer. The run is kept and starts when Redis is back.")

    transaction.on_commit(send)


def _run(request: HttpRequest, slug: str, run_id: UUID, needed: Role = Role.VIEWER) -> tuple[Project, Run]:
    project = get_project(request, slug, needed)
    return project, get_object_or_404(runs_of(project), pk=run_id)


@require_GET
def run_page(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    project, run = _run(request, slug, run_id)
    results = results_of(run)
    names = {d.pk: d for d in run.deployments.select_related("account")}
    context = _progress_context(project, run) | {
        "results": results,
        "comparison": comparison(results, names),
        "strata_table": strata_table(results),
    }
    return render(request, "benchmarks/run.html", context)


@require_GET
def run_progress(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    """The part of the run page that changes. When the run is over, htmx reloads the page with its figures."""
    project, run = _run(request, slug, run_id)
    if not wants_fragment(request):
        return redirect("benchmarks:run", slug, run_id)
    context = _progress_context(project, run)
    context["news_is_new"] = request.GET.get("seen") != context["news"]
    response = render(request, "benchmarks/_progress.html", context)
    if run.state not in (RunState.QUEUED, RunState.RUNNING):
        response["HX-Refresh"] = "true"
    return vary_on_htmx(response)


def _progress_context(project: Project, run: Run) -> dict[str, Any]:
    now = progress(run, timezone.now())
    return {
        "project": project,
        "section": "benchmarks",
        "run": run,
        "simulated": run.simulated,
        "progress": now,
        "news": f"{run.get_state_display()}, {now.finished * 10 // max(now.total, 1) * 10} % done",
        "active": run.state in (RunState.QUEUED, RunState.RUNNING),
        "trouble": redis_health() if not run.is_over else "",
        "budget_form": BudgetForm(),
    }


@require_POST
def pause(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    _, run = _run(request, slug, run_id, Role.MEMBER)
    if pause_run(run_id=run.id, reason=f"Paused by {current_user(request)}."):
        messages.success(request, "Paused. Calls in flight end and are kept.")
    return see_other(request, reverse("benchmarks:run", args=[slug, run.id]))


@require_POST
def resume(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    """Goes on after a pause, or after the budget was raised."""
    _, run = _run(request, slug, run_id, Role.MEMBER)
    form = BudgetForm(request.POST)
    extra = nanos(form.cleaned_data["extra"]) if form.is_valid() else 0
    if run.state == RunState.BUDGET_STOPPED and not extra:
        messages.error(request, "Say how much to add to the budget; without more money the run stops again.")
    elif resume_run(run_id=run.id, extra_budget_nanos=extra):
        _enqueue(request, run)
    return see_other(request, reverse("benchmarks:run", args=[slug, run.id]))


def cancel(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    """Asks first: a cancelled run cannot go on."""
    project, run = _run(request, slug, run_id, Role.MEMBER)
    back = reverse("benchmarks:run", args=[slug, run.id])
    if request.method == "POST":
        cancel_run(run_id=run.id, reason=f"Cancelled by {current_user(request)}.", now=timezone.now())
        return see_other(request, back)
    context = {"project": project, "section": "benchmarks", "run": run, "back": back}
    return render(request, "benchmarks/cancel.html", context)


@require_POST
def retry(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    _, run = _run(request, slug, run_id, Role.MEMBER)
    if count := retry_failed(run_id=run.id):
        messages.success(request, f"{count} failed calls are tried again.")
        _enqueue(request, run)
    return see_other(request, reverse("benchmarks:run", args=[slug, run.id]))


@require_GET
def answers(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    """Answers side by side, example by example."""
    project, run = _run(request, slug, run_id)
    filters = AnswerFilters(
        show=request.GET.get("show", ""),
        stratum=asked_text(request, "stratum"),
        search=asked_text(request, "q"),
    )
    page = Paginator(examples_of(run, filters), EXAMPLES_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "section": "benchmarks",
        "run": run,
        "simulated": run.simulated,
        "filters": filters,
        "strata": strata_of(run),
        "page": page,
        "shown": side_by_side(run, list(page.object_list)),
    }
    return render(request, "benchmarks/answers.html", context)

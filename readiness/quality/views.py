"""The stream of spot-checks, their rates, their policy, and the quality chart of the traffic page."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from redis.exceptions import RedisError

from readiness.lib.statistics import Estimate, Method, estimate_rate
from readiness.lib.web import see_other, vary_on_htmx, wants_fragment
from readiness.projects.access import current_user, get_project
from readiness.projects.models import Project, Role
from readiness.quality.charts import quality_chart
from readiness.quality.forms import PolicyForm
from readiness.quality.jobs import enqueue_check, is_requested
from readiness.quality.queries import checks_of, policy_of, project_rates, series, today
from readiness.quality.services.checks import CONSISTENT_FROM
from readiness.quality.services.policy import save_policy
from readiness.reviews.marking import mark_spans
from readiness.telemetry.ranges import RANGES

PAGE = 20
RATE_DAYS = 7
"""The span that the criterion looks at as well."""
SHOWN = {
    "": "All",
    "flagged": "Flagged",
    "unflagged": "Nothing found",
    "failed": "Failed",
    "waiting": "Waiting",
}


@require_GET
def spot_checks(request: HttpRequest, slug: str) -> HttpResponse:
    """The sampled answers, newest first, under the rates of the last days."""
    project = get_project(request, slug)
    now = timezone.now()
    show = request.GET.get("show", "")
    page = Paginator(checks_of(project, show=show), PAGE).get_page(request.GET.get("page"))
    rows = [(check, mark_spans(check.answer.output, check.findings)) for check in page]
    context = _progress_context(project, now) | {
        "section": "quality",
        "tab": "checks",
        "show": show,
        "shown": SHOWN,
        "page": page,
        "rows": rows,
        "rates": _shown_rates(project, now),
        "simulated": any(check.answer.simulated for check in page),
        "rate_days": RATE_DAYS,
        "consistent_from": CONSISTENT_FROM,
    }
    return render(request, "quality/spot_checks.html", context)


@dataclass(frozen=True, slots=True)
class ShownRate:
    """A rate of the page; ``estimate`` is None where nothing was measured."""

    name: str
    successes: int
    estimate: Estimate | None


def _shown_rates(project: Project, now: datetime) -> list[ShownRate]:
    """The stream grows and is looked at all the time: only a confidence sequence holds at every look."""
    found = project_rates(project, now - timedelta(days=RATE_DAYS))
    counts = (
        ("Supported by the source", found.supported, found.judged),
        ("Consistent when asked again", found.consistent, found.compared),
    )
    return [
        ShownRate(name, k, estimate_rate(k, n, method=Method.CONFIDENCE_SEQUENCE) if n else None)
        for name, k, n in counts
    ]


def _progress_context(project: Project, now: datetime) -> dict[str, Any]:
    policy, day = policy_of(project), today(project, now)
    try:
        requested, problem = is_requested(project.pk), ""
    except RedisError:
        requested, problem = (
            False,
            "Redis does not answer, so no spot-check can run. They go on when it is back.",
        )
    return {
        "project": project,
        "policy": policy,
        "today": day,
        "requested": requested,
        "problem": problem,
        "busy": requested or day.in_flight > 0,
    }


@require_GET
def progress(request: HttpRequest, slug: str) -> HttpResponse:
    """What the round does right now; the page polls it until it is over."""
    project = get_project(request, slug)
    if not wants_fragment(request):
        return see_other(request, reverse("quality:spot_checks", args=[slug]))
    return vary_on_htmx(render(request, "quality/_progress.html", _progress_context(project, timezone.now())))


@require_POST
def run_now(request: HttpRequest, slug: str) -> HttpResponse:
    """Asks for a round now. A second click while one is asked for changes nothing."""
    project = get_project(request, slug, Role.MEMBER)
    if not policy_of(project).enabled:
        messages.error(request, "Spot-checks are switched off. An admin switches them on in the policy.")
    else:
        try:
            enqueue_check(project.pk)
        except RedisError:
            messages.error(
                request, "Redis does not answer, so nothing was started. Try again when it is back."
            )
    if wants_fragment(request):
        context = _progress_context(project, timezone.now()) | {"told": True}
        return vary_on_htmx(render(request, "quality/_progress.html", context))
    return see_other(request, reverse("quality:spot_checks", args=[slug]))


@require_http_methods(["GET", "POST"])
def policy(request: HttpRequest, slug: str) -> HttpResponse:
    """How much is spot-checked: to read for everybody, to change for admins."""
    project = get_project(request, slug, Role.ADMIN if request.method == "POST" else Role.VIEWER)
    current = policy_of(project)
    form = PolicyForm(request.POST or None, project=project, policy=current)
    if request.method == "POST" and form.is_valid():
        save_policy(actor=current_user(request), project=project, details=form.details())
        messages.success(request, "The policy was saved.")
        return see_other(request, reverse("quality:policy", args=[slug]))
    context = {"project": project, "section": "quality", "tab": "policy", "form": form, "policy": current}
    return render(request, "quality/policy.html", context)


@require_GET
def chart(request: HttpRequest, slug: str) -> HttpResponse:
    """The fourth chart of the traffic page, for the same ranges."""
    project = get_project(request, slug)
    chosen = RANGES.get(request.GET.get("range", ""), RANGES["24h"])
    context = {"chart": quality_chart(series(project, chosen, timezone.now()))}
    return render(request, "telemetry/_chart.html", context)

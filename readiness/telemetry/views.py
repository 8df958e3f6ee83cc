"""The traffic page."""

from typing import Any

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from readiness.lib.events import Purpose
from readiness.lib.plots import PLOTLY_STYLES
from readiness.lib.web import asked_text, row_id, vary_on_htmx, wants_fragment
from readiness.projects.access import get_project
from readiness.projects.models import Project
from readiness.telemetry.charts import cost_chart, latency_chart, limits_chart
from readiness.telemetry.queries import Filters, filter_choices, spend_nanos, traffic, usual_range
from readiness.telemetry.ranges import RANGES, month_start

PURPOSES = {
    Purpose.APP: "The app",
    Purpose.BENCHMARK: "Benchmarks",
    Purpose.JUDGE: "Judges",
    Purpose.SPOT_CHECK: "Spot-checks",
}


@require_GET
@csp_update(PLOTLY_STYLES)  # type: ignore[arg-type]  # annotated for views without URL arguments
def traffic_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Charts and totals of a range; htmx asks for the part that changes."""
    project = get_project(request, slug)
    template = "telemetry/_traffic.html" if wants_fragment(request) else "telemetry/traffic.html"
    return vary_on_htmx(render(request, template, _context(request, project)))


def _context(request: HttpRequest, project: Project) -> dict[str, Any]:
    now = timezone.now()
    chosen = RANGES.get(request.GET.get("range", "")) or usual_range(project, now)
    filters = _filters(request)
    shown = traffic(project, chosen, filters, now)
    month = month_start(now)
    return {
        "project": project,
        "section": "traffic",
        "ranges": RANGES.values(),
        "chosen": chosen,
        "filters": filters,
        "choices": {**filter_choices(project), "purposes": PURPOSES.items()},
        "traffic": shown,
        "simulated": shown.simulated,
        "delivered_share": shown.total.delivered / shown.total.requests if shown.total.requests else None,
        "latency_p95": shown.total.latency.quantile(0.95),
        "queue_p95": shown.total.queue_wait.quantile(0.95),
        "spend_month": spend_nanos(project, month),
        "charts": [cost_chart(shown), latency_chart(shown), limits_chart(shown)],
    }


def _filters(request: HttpRequest) -> Filters:
    """Filters of the query string; what does not exist narrows to nothing that is wrong, it is ignored."""
    purpose = request.GET.get("purpose", "")
    return Filters(
        deployment_id=row_id(request.GET.get("deployment", "")),
        tier=asked_text(request, "tier", 40),
        purpose=purpose if purpose in PURPOSES else "",
    )

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from readiness.lib.events import UsageEvent
from readiness.telemetry.queries import Filters
from readiness.telemetry.services import write_events
from tests.builders import make_account, make_deployment


@pytest.fixture
def deployment(project):
    return make_deployment(make_account(name="Sim", simulated=True), name="sim-medium")


def record(project, deployment, number, **values):
    at = timezone.now() - timedelta(minutes=number)
    fields = {
        "event_id": f"e{number}-{values}",
        "request_id": f"r{number}",
        "at_ms": int(at.timestamp() * 1000),
        "project_id": project.id,
        "deployment_id": deployment.id,
        "http_status": 200,
        "tier": "pro",
        "cost_nanos": 2_100_000,
        "provider_ms": 400,
    }
    write_events([UsageEvent(**(fields | values))])


def url(project, **query):
    return reverse("telemetry:traffic", args=[project.slug], query=query)


def figures(page):
    blocks = re.findall(r'<script id="chart-(\w+)-data" type="application/json">(.*?)</script>', page)
    return {name: json.loads(text) for name, text in blocks}


def test_page_shows_totals_and_three_figures(as_user, auditor, project, deployment):
    record(project, deployment, 1)
    record(project, deployment, 2, queued=True, queue_ms=900)
    page = as_user(auditor).get(url(project)).content.decode()
    assert set(figures(page)) == {"cost", "latency", "limits"}
    assert "$0.0042" in page
    assert "1 absorbed by the queue" in page


def test_month_begins_where_the_budgets_month_does(
    as_user, auditor, project, deployment, settings, monkeypatch
):
    settings.BUDGET_TIME_ZONE = "America/Los_Angeles"
    december_of_utc = datetime(2026, 12, 1, 2, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: december_of_utc)
    record(project, deployment, 3 * 60)
    assert as_user(auditor).get(url(project)).context["spend_month"] == 2_100_000


def test_figures_have_units_on_their_axes(as_user, auditor, project, deployment):
    record(project, deployment, 1)
    drawn = figures(as_user(auditor).get(url(project)).content.decode())
    units = {name: figure["layout"]["yaxis"]["title"]["text"] for name, figure in drawn.items()}
    assert units == {"cost": "US dollars", "latency": "milliseconds", "limits": "requests"}


def test_cost_is_drawn_in_dollars_by_deployment(as_user, auditor, project, deployment):
    record(project, deployment, 1)
    cost = figures(as_user(auditor).get(url(project, range="1h")).content.decode())["cost"]
    assert [bar["name"] for bar in cost["data"]] == ["sim-medium"]
    assert sum(cost["data"][0]["y"]) == pytest.approx(0.0021)


def test_page_without_traffic_says_how_to_get_some(as_user, auditor, project):
    page = as_user(auditor).get(url(project)).content.decode()
    assert "No request was made in this range" in page
    assert not figures(page)


def test_filter_narrows_to_a_deployment(as_user, auditor, project, deployment):
    other = make_deployment(deployment.account, name="sim-small")
    record(project, deployment, 1)
    record(project, other, 2)
    page = as_user(auditor).get(url(project, deployment=other.pk)).content.decode()
    assert [bar["name"] for bar in figures(page)["cost"]["data"]] == ["sim-small"]


@pytest.mark.parametrize(
    "query", [{"range": "century"}, {"deployment": "x' OR 1"}, {"deployment": "9" * 5000}, {"purpose": "<b>"}]
)
def test_page_ignores_what_does_not_exist(as_user, auditor, project, query):
    assert as_user(auditor).get(url(project, **query)).status_code == 200


def test_filters_hold_no_nul_which_postgresql_refuses(as_user, auditor, project):
    page = as_user(auditor).get(url(project, tier="pr\0o", purpose="\0", deployment="\0"))
    assert page.context["filters"] == Filters(deployment_id=None, tier="pro", purpose="")


def test_other_projects_traffic_is_not_shown(as_user, auditor, project, deployment):
    from readiness.projects.models import Project

    record(Project.objects.create(name="Other", slug="other"), deployment, 1)
    assert not figures(as_user(auditor).get(url(project)).content.decode())


def test_simulated_traffic_is_marked(as_user, auditor, project, deployment):
    record(project, deployment, 1)
    assert "Simulated" in as_user(auditor).get(url(project)).content.decode()


def test_stranger_gets_404_on_page_and_fragment(as_user, charlie, project):
    client = as_user(charlie)
    assert client.get(url(project)).status_code == 404
    assert client.get(url(project), headers={"HX-Request": "true"}).status_code == 404


def test_fragment_is_the_part_that_changes(as_user, auditor, project):
    fragment = as_user(auditor).get(url(project), headers={"HX-Request": "true"})
    assert "<html" not in fragment.content.decode()
    assert "HX-Request" in fragment["Vary"]


def test_query_count_does_not_grow_with_traffic(as_user, auditor, project, deployment):
    client = as_user(auditor)
    record(project, deployment, 1)
    with CaptureQueriesContext(connection) as few:
        client.get(url(project))
    for number in range(2, 30):
        record(project, deployment, number)
    with CaptureQueriesContext(connection) as many:
        client.get(url(project))
    assert len(many) == len(few)

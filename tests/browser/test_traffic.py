from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from readiness.lib.events import Outcome, UsageEvent
from readiness.telemetry.services import write_events
from tests.builders import make_account, make_deployment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy_project(project):
    """A project with an hour of traffic on two deployments."""
    account = make_account(name="Simulated AI service", simulated=True)
    deployments = [make_deployment(account, name=f"sim-{size}") for size in ("small", "large")]
    now = timezone.now()
    write_events(
        UsageEvent(
            event_id=f"e{i}",
            request_id=f"r{i}",
            at_ms=int((now - timedelta(seconds=20 * i)).timestamp() * 1000),
            project_id=project.id,
            deployment_id=deployments[i % 2].id,
            tier="pro",
            outcome=Outcome.OK if i % 17 else Outcome.REFUSED,
            http_status=200,
            cost_nanos=900_000 + 3_000_000 * (i % 2),
            provider_ms=250 + (i * 37) % 900,
            queue_ms=(i % 5) * 120,
            queued=i % 5 > 2,
        )
        for i in range(180)
    )
    return project


def test_charts_are_drawn_without_a_complaint_of_the_browser(page, sign_in, auditor, busy_project, problems):
    sign_in(page, auditor)
    page.goto(reverse("telemetry:traffic", args=[busy_project.slug], query={"range": "1h"}))
    page.locator(".chart .js-plotly-plot .main-svg").nth(2).wait_for()
    assert page.locator(".js-plotly-plot").count() >= 3
    assert problems == []


def test_choosing_a_filter_shows_it_at_once(page, sign_in, auditor, busy_project):
    sign_in(page, auditor)
    page.goto(reverse("telemetry:traffic", args=[busy_project.slug]))
    page.get_by_role("combobox", name="Model").select_option(label="sim-small")
    page.wait_for_url("**deployment=*")
    assert page.get_by_role("combobox", name="Model").locator("option:checked").inner_text() == "sim-small"


def test_ink_of_charts_follows_the_dark_scheme(page, sign_in, auditor, busy_project):
    sign_in(page, auditor)
    page.goto(reverse("telemetry:traffic", args=[busy_project.slug], query={"range": "1h"}))
    text = page.locator(".js-plotly-plot .ytick text").first
    text.wait_for()
    light = text.evaluate("e => getComputedStyle(e).fill")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "light => getComputedStyle(document.querySelector('.js-plotly-plot .ytick text')).fill !== light",
        arg=light,
    )

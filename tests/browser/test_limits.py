"""The limits page while requests wait: live parts change, charts stay."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from readiness.limits import upstreams
from readiness.limits.services import publish_policy
from readiness.projects.models import Tier
from readiness.providers.base import Quota
from readiness.telemetry.models import RequestRecord
from tests.builders import make_account, make_deployment, make_sample
from tests.limits.harness import Upstream

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paused(redis_server, project):
    """A deployment whose provider said 429 a moment ago; three requests wait, and did an hour long."""
    deployment = make_deployment(make_account(project), name="sim-large", rpm=60)
    for name, weight in {"Pro": 4, "Free": 1}.items():
        Tier.objects.update_or_create(slug=name.lower(), defaults={"name": name, "weight": weight})
    publish_policy()
    upstream = Upstream(redis_server, Quota(rpm=60), name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=60_000)
    for tier in ("pro", "free", "free"):
        upstream.enqueue(tier=tier, wait_ms=600_000)
    now = timezone.now()
    for minutes in range(1, 60):
        waiting = {"pro": minutes % 3, "free": minutes % 7}
        make_sample(
            deployment,
            now.replace(second=0, microsecond=0) - timedelta(minutes=minutes),
            waiting=sum(waiting.values()),
            waiting_by_tier=waiting,
            levels={"rpm": minutes / 60},
        )
    for i in range(20):
        RequestRecord.objects.create(
            event_id=f"e{i}",
            request_id=f"r{i}",
            at=now,
            project=project,
            deployment=deployment,
            outcome="ok",
            purpose="app",
            predicted_ms=1000 * i,
            queue_ms=1100 * i,
        )
    upstreams.sweep()
    return upstream


def drawn(page, name):
    return page.locator(f".plot.js-plotly-plot[data-plot^=chart-{name}] .main-svg").first


def test_queue_changes_and_charts_stay(page, sign_in, bob, project, paused, problems):
    sign_in(page, bob)
    page.goto(reverse("operations:limits", args=[project.slug]))
    drawn(page, "line").wait_for()
    drawn(page, "waits").wait_for()
    page.evaluate("document.querySelector('.js-plotly-plot').dataset.mark = 'the same'")
    page.get_by_role("cell", name="2", exact=True).first.wait_for()

    paused.enqueue(tier="free", wait_ms=600_000)
    page.get_by_role("cell", name="3", exact=True).first.wait_for()
    assert page.locator("[data-mark='the same']").count() == 1
    assert page.get_by_text("The provider answered 429. Calls go on in").count() == 1
    assert problems == []


def test_range_of_the_time_line_changes_in_its_place(page, sign_in, bob, project, paused):
    sign_in(page, bob)
    page.goto(reverse("operations:limits", args=[project.slug]))
    drawn(page, "line").wait_for()
    page.get_by_role("link", name="24 hours").click()
    page.locator(".ranges a[aria-current]", has_text="24 hours").wait_for()
    drawn(page, "line").wait_for()
    assert page.url.endswith(reverse("operations:limits", args=[project.slug]))
    assert page.evaluate("document.activeElement.id").endswith("-24h")


def test_page_does_not_scroll_sideways_on_a_phone(page, sign_in, bob, project, paused):
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, bob)
    page.goto(reverse("operations:limits", args=[project.slug]))
    drawn(page, "line").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390

"""An admin tries a change of a tier on the last hour's requests, and then puts it into force."""

import threading
import time

import django_rq
import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from readiness.operations import preview_jobs
from readiness.operations.models import Preview
from readiness.projects.models import Tier
from tests.builders import make_deployment
from tests.operations.preview_support import record_rush

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def worker():
    """Does what the worker of the default queue does with the first job, in a thread."""

    def work() -> None:
        queue = django_rq.get_queue(preview_jobs.QUEUE)
        end = time.monotonic() + 30
        while not queue.jobs and time.monotonic() < end:
            time.sleep(0.05)
        try:
            preview_jobs.preview(*queue.jobs[0].args)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join(timeout=60)
    assert not thread.is_alive()


@pytest.fixture
def busy_site(project):
    """Two tiers that meet at a quota of twenty requests a minute."""
    for slug, weight in (("free", 1), ("pro", 4)):
        Tier.objects.update_or_create(slug=slug, defaults={"name": slug.capitalize(), "weight": weight})
    record_rush(project, make_deployment(name="Tight", rpm=20, jitter_ms=0), timezone.now(), count=48)


def test_change_is_previewed_and_put_into_force(page, sign_in, site_admin, busy_site, worker, problems):
    sign_in(page, site_admin)
    page.goto(reverse("operations:tier", args=["free"]))
    page.get_by_label("Weight").fill("40")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("heading", name="Tiers before and after").wait_for()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert page.locator(".tiers-before-and-after .subplot").count() == 4
    assert Tier.objects.get(slug="free").weight == 1
    assert problems == []

    page.get_by_role("button", name="Save and put into force").click()
    page.get_by_text("The change is saved and in force.").wait_for()
    assert Tier.objects.get(slug="free").weight == 40
    assert Preview.objects.count() == 1

"""An admin changes a tier while a run waits, and sees the queue follow."""

import threading

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from readiness.evaluations.models import RunState
from readiness.projects.models import Tier
from tests.evaluations.support import Provider, make_run, priced, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting_run(project, redis_server):
    """Eight calls of a run on their way through a tier that lets one a minute pass."""
    Tier.objects.update_or_create(
        slug="benchmark", defaults={"name": "Benchmark", "weight": 1, "requests_per_minute": 1}
    )
    run = make_run(project, examples=8, deployments=[priced()])

    def shard() -> None:
        try:
            work(run, Provider(), clock=timezone.now)
        finally:
            connection.close()

    worker = threading.Thread(target=shard)
    worker.start()
    yield run
    worker.join(timeout=60)
    assert not worker.is_alive()


def test_queue_follows_a_changed_tier(page, sign_in, site_admin, project, waiting_run):
    sign_in(page, site_admin)
    page.goto(reverse("operations:limits", args=[project.slug]))
    row = page.get_by_role("row", name="Benchmark").first
    row.get_by_role("cell", name="7", exact=True).wait_for()

    page.get_by_role("link", name="Change Benchmark").click()
    page.get_by_label("Requests per minute").fill("")
    page.get_by_role("button", name="Save and put into force").click()
    page.get_by_text("Benchmark is saved and in force.").wait_for()

    page.goto(reverse("operations:limits", args=[project.slug]))
    page.locator("#live").get_by_text("Queue", exact=True).wait_for(state="detached")
    page.goto(reverse("benchmarks:run", args=[project.slug, waiting_run.id]))
    page.locator(".status", has_text="Done").wait_for(timeout=60_000)
    waiting_run.refresh_from_db()
    assert waiting_run.state == RunState.DONE

"""A member's way from signing in to comparing two models, with the simulated service and a real worker."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import django_rq
import httpx
import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect
from rq import SimpleWorker
from rq.timeouts import TimerDeathPenalty

from readiness.evaluations.jobs import QUEUE
from readiness.evaluations.models import Run
from readiness.lib.money import NANOS_PER_USD
from readiness.providers.models import PriceOverride
from tests.builders import make_account, make_deployment, make_prompt_version
from tests.evaluations.support import make_recorded_run, make_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

PASSWORD = "an orange piano 7"


class ThreadWorker(SimpleWorker):
    """RQ's worker in a thread beside the browser, where signals cannot be had."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None:
        pass


@pytest.fixture
def worker(redis_server) -> Iterator[threading.Thread]:
    """Takes jobs off the benchmarks' queue; started by the test, ended with it."""
    queue = django_rq.get_queue(QUEUE)

    def work() -> None:
        ThreadWorker([queue], connection=queue.connection, serializer=queue.serializer).work(burst=True)
        connection.close()

    thread = threading.Thread(target=work)
    yield thread
    thread.join(60)


@pytest.fixture
def simulator() -> Iterator[str]:
    """Base URL of the simulated AI service, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "readiness.simulator.app:app", "--log-level", "warning"]
    process = subprocess.Popen([*command, "--port", str(port)], env=os.environ | {"SIMULATOR_SPEED": "20"})
    try:
        for _ in range(300):
            try:
                httpx.get(f"http://127.0.0.1:{port}/sim/models")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def models(settings, simulator):
    """Two simulated models with prices."""
    settings.ALLOW_PRIVATE_UPSTREAMS = True
    account = make_account(name="Simulated AI service", base_url=simulator, simulated=True)
    for size in ("small", "large"):
        deployment = make_deployment(account, name=f"Model {size}", model=f"sim-{size}-2026-06")
        for unit in ("input_token", "output_token"):
            PriceOverride.objects.create(
                deployment=deployment, unit=unit, usd_per_million=1, effective_from=timezone.now().date()
            )


@pytest.fixture
def questions(settings, tmp_path):
    """A file of examples on bob's machine."""
    settings.VAR_DIR = tmp_path
    path = tmp_path / "opening-hours.jsonl"
    rows = (
        {
            "question": f"How long is shop {i} open?",
            "source": f"Shop {i} is open for {i + 3} hours. It sells tea.",
            "reference": f"{i + 3} hours",
        }
        for i in range(6)
    )
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_member_compares_two_models_and_sees_a_criterion_turn(page, project, bob, models, questions, worker):
    bob.set_password(PASSWORD)
    bob.save()
    project.cost_per_request_nanos = NANOS_PER_USD
    project.save()
    make_prompt_version(project)
    sign_in_with_password(page)
    import_questions(page, project, questions)
    plan_the_run(page, project)
    expect(page.get_by_text("Calls", exact=True)).to_be_visible()
    page.get_by_role("button", name="Start the run").click()
    expect(page.locator(".status", has_text="Queued")).to_be_visible()
    worker.start()
    expect(page.get_by_role("heading", name="Comparison")).to_be_visible(timeout=60_000)
    expect(page.locator(".status", has_text="Done")).to_be_visible(timeout=60_000)
    assert Run.objects.get().cells.filter(state="done").count() == 12
    table = page.get_by_role("table").first
    expect(table).to_contain_text("Model large")
    expect(table).to_contain_text("Latency, p95")
    expect(table).to_contain_text("Cost per request, mean")
    page.get_by_role("link", name="Answers side by side").click()
    expect(page.get_by_role("article")).to_have_count(12)

    expect(status_of(page, project, "A request costs no more than planned")).to_have_text("No evidence")
    name_the_target(page, project)
    # Six answers are on the right side of the limit and too few to prove it.
    expect(status_of(page, project, "A request costs no more than planned")).to_have_text("Undecided")


def status_of(page, project, criterion):
    """The status of a criterion on its step's page."""
    page.goto(reverse("checklist:step", args=[project.slug, 1]))
    return page.get_by_role("listitem").filter(has_text=criterion).locator(".status").first


def name_the_target(page, project):
    """What the project intends to ship: evidence counts when it was measured on exactly this."""
    page.goto(reverse("checklist:target", args=[project.slug]))
    for label in ("Model", "Prompt version", "Dataset version"):
        page.get_by_label(label).select_option(index=1)
    page.get_by_role("button", name="Save target").click()
    expect(page.get_by_role("heading", name=project.name)).to_be_visible()


def sign_in_with_password(page):
    page.goto("/")
    page.get_by_label("Username").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def import_questions(page, project, path):
    page.goto(reverse("datasets:new", args=[project.slug]))
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name="Import 6 examples").click()
    expect(page.get_by_text("6 examples").first).to_be_visible()


def plan_the_run(page, project):
    page.goto(reverse("benchmarks:list", args=[project.slug]))
    page.get_by_role("link", name="New benchmark").click()
    page.get_by_label("Dataset version").select_option(index=1)
    page.get_by_label("Prompt version").select_option(index=1)
    for name in ("Model small", "Model large", "Contains the reference"):
        page.get_by_role("checkbox", name=name).check()
    page.get_by_role("button", name="Estimate cost and time").click()


@pytest.mark.parametrize("name", ["list", "new", "run", "answers"])
def test_page_fits_every_window(page, sign_in, project, bob, name):
    run = make_recorded_run(project) if name == "answers" else make_run(project)
    sign_in(page, bob)
    page.goto(
        reverse(f"benchmarks:{name}", args=[project.slug, *([run.id] if name in {"run", "answers"} else [])])
    )
    for width in (360, 760, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert (
            page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        )


def test_polling_keeps_the_focus_on_the_button_that_has_it(page, sign_in, project, bob):
    run = make_run(project)
    sign_in(page, bob)
    page.goto(reverse("benchmarks:run", args=[project.slug, run.id]))
    page.get_by_role("button", name="Pause").focus()
    with page.expect_response(re.compile("/progress/")):
        pass
    page.wait_for_function("!document.querySelector('.htmx-request')")
    expect(page.get_by_role("button", name="Pause")).to_be_focused()

"""The pages of drills: who sees them, who holds them, and what they show."""

from collections.abc import Callable

import django_rq
import pytest
import redis
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from readiness.accounts.models import User
from readiness.operations.drill_services import start_drill
from readiness.operations.drills.catalogue import DRILLS
from readiness.operations.drills.findings import Finding, Moment
from readiness.operations.models import DRILL_STARTS_WITHIN, LOST_AFTER, DrillReport, DrillState
from readiness.projects.models import Project, Tier
from tests.operations.drill_support import held

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

AsUser = Callable[[User], Client]
PAGE = reverse("operations:drills", args=["handbook"])
START = reverse("operations:start_drill", args=["handbook", "storm"])
HTMX = {"HX-Request": "true"}


def url(name: str, report: DrillReport) -> str:
    return reverse(f"operations:{name}", args=["handbook", report.pk])


@pytest.fixture
def report(project: Project) -> DrillReport:
    """Of an outage; one of two expectations was met."""
    findings = [
        Finding(key="lost", label="Calls lost <b>", value=3, unit="calls", at_most=0),
        Finding(key="circuit", label="The circuit was open", value=1, at_least=1),
        Finding(key="errors", label="Errors", value=7, unit="calls"),
    ]
    return held(
        "outage",
        project=project,
        findings=[finding.to_row() for finding in findings],
        moments=[Moment(at_s=1.5, what="The provider is gone.").to_row()],
    )


@pytest.fixture
def active(project: Project) -> DrillReport:
    return start_drill(name="storm", project=project, actor=None, now=timezone.now())


@pytest.mark.parametrize("user", ["auditor", "bob", "rita", "alice", "site_admin"])
def test_everybody_in_the_project_reads_reports(
    request: pytest.FixtureRequest, as_user: AsUser, report: DrillReport, user: str
) -> None:
    client = as_user(request.getfixturevalue(user))

    assert client.get(PAGE).status_code == 200
    assert client.get(url("drill", report)).status_code == 200
    assert client.get(url("drill_progress", report), headers=HTMX).status_code == 200


def test_stranger_finds_nothing(as_user: AsUser, charlie: User, report: DrillReport) -> None:
    client = as_user(charlie)

    assert [client.get(address).status_code for address in (PAGE, url("drill", report))] == [404, 404]
    assert [client.post(address).status_code for address in (START, url("cancel_drill", report))] == [
        404,
        404,
    ]


@pytest.mark.parametrize("user", ["auditor", "bob", "rita"])
def test_only_admins_start_and_cancel(
    request: pytest.FixtureRequest, as_user: AsUser, active: DrillReport, user: str
) -> None:
    client = as_user(request.getfixturevalue(user))

    assert [client.post(address).status_code for address in (START, url("cancel_drill", active))] == [
        403,
        403,
    ]
    assert f'action="{START}"' not in client.get(PAGE).text


@pytest.mark.parametrize("name", ["start_drill", "cancel_drill"])
def test_nothing_is_changed_by_a_link(as_user: AsUser, alice: User, active: DrillReport, name: str) -> None:
    address = START if name == "start_drill" else url(name, active)

    assert as_user(alice).get(address).status_code == 405


def test_report_of_another_project_is_not_found(as_user: AsUser, alice: User) -> None:
    other = held("outage", project=Project.objects.create(name="Other", slug="other"))

    assert as_user(alice).get(url("drill", other)).status_code == 404


def test_admin_starts_a_drill_for_the_worker(
    as_user: AsUser, alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        reply = as_user(alice).post(START)
    report = DrillReport.objects.get()

    assert (report.name, report.created_by, report.quick) == ("storm", alice, False)
    assert reply.headers["Location"] == url("drill", report)
    assert [list(job.args) for job in django_rq.get_queue("benchmarks").jobs] == [[report.pk]]


def test_drill_that_nobody_knows_cannot_be_started(as_user: AsUser, alice: User) -> None:
    address = reverse("operations:start_drill", args=["handbook", "earthquake"])

    assert as_user(alice).post(address).status_code == 404


def test_second_drill_is_told_to_wait(as_user: AsUser, alice: User, active: DrillReport) -> None:
    text = as_user(alice).post(START, follow=True).text

    assert "Another drill is under way" in text
    assert DrillReport.objects.count() == 1


def test_drill_that_no_worker_can_be_told_of_fails(
    as_user: AsUser,
    alice: User,
    redis_gone: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def unreachable(name: str) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr("readiness.operations.drill_jobs.django_rq.get_queue", unreachable)
    with django_capture_on_commit_callbacks(execute=True):
        as_user(alice).post(START)

    assert "Redis does not answer" in DrillReport.objects.get().trouble


def test_admin_cancels(as_user: AsUser, alice: User, active: DrillReport) -> None:
    text = as_user(alice).post(url("cancel_drill", active), follow=True).text

    assert "Cancelled" in text
    assert DrillReport.objects.get().state == DrillState.CANCELLED


def test_drill_of_the_whole_site_is_cancelled_by_site_admins(
    as_user: AsUser, project: Project, alice: User, site_admin: User
) -> None:
    report = start_drill(name="storm", project=None, actor=None, now=timezone.now())

    assert as_user(alice).post(url("cancel_drill", report)).status_code == 403
    assert as_user(site_admin).post(url("cancel_drill", report)).status_code == 303


def test_every_drill_has_a_card(as_user: AsUser, auditor: User, report: DrillReport) -> None:
    text = as_user(auditor).get(PAGE).text

    assert [drill.title for drill in DRILLS.values() if drill.title not in text] == []
    assert text.count("not held yet") == len(DRILLS) - 1
    assert "Simulated" in text


def test_drill_of_another_project_is_not_named(as_user: AsUser, alice: User) -> None:
    other = Project.objects.create(name="Secret", slug="secret")
    start_drill(name="storm", project=other, actor=None, now=timezone.now())
    text = as_user(alice).get(PAGE).text

    assert "A drill of another project is under way" in text
    assert "Secret" not in text


def test_report_shows_what_was_expected_and_what_happened(
    as_user: AsUser, auditor: User, report: DrillReport
) -> None:
    text = as_user(auditor).get(url("drill", report)).text

    for words in ("Not met", "none", "Errors", "The provider is gone.", "Simulated", "Failed"):
        assert words in text
    assert "Calls lost &lt;b&gt;" in text


def test_report_on_other_tiers_says_that_it_is_stale(
    as_user: AsUser, auditor: User, report: DrillReport
) -> None:
    client = as_user(auditor)
    assert "The tiers have changed since" not in client.get(url("drill", report)).text
    Tier.objects.create(slug="new", name="New", weight=3)

    assert "The tiers have changed since" in client.get(url("drill", report)).text


def test_progress_polls_and_ends_with_a_reload(as_user: AsUser, bob: User, active: DrillReport) -> None:
    client = as_user(bob)
    assert f'hx-get="{url("drill_progress", active)}"' in client.get(url("drill", active)).text
    running = client.get(url("drill_progress", active), headers=HTMX)
    DrillReport.objects.update(state=DrillState.DONE, active=None, finished_at=timezone.now())
    done = client.get(url("drill_progress", active), headers=HTMX)

    assert "HX-Refresh" not in running.headers
    assert done.headers["HX-Refresh"] == "true"


def test_progress_without_javascript_is_the_page(as_user: AsUser, bob: User, active: DrillReport) -> None:
    assert as_user(bob).get(url("drill_progress", active)).headers["Location"] == url("drill", active)


def test_drill_whose_process_fell_silent_can_be_given_up(
    as_user: AsUser, alice: User, active: DrillReport
) -> None:
    silent = timezone.now() - 2 * LOST_AFTER
    DrillReport.objects.update(state=DrillState.RUNNING, started_at=silent, beat_at=silent)
    text = as_user(alice).get(url("drill", active)).text

    assert "Give it up" in text
    assert 'hx-trigger="every 1s"' not in text


def test_drill_that_no_worker_took_can_be_given_up(as_user: AsUser, alice: User, active: DrillReport) -> None:
    DrillReport.objects.update(created_at=timezone.now() - 2 * DRILL_STARTS_WITHIN)
    text = as_user(alice).get(url("drill", active)).text

    assert "The drill never began" in text
    assert "Give it up" in text


@pytest.mark.parametrize("state", [DrillState.QUEUED, DrillState.RUNNING])
def test_lost_drill_of_another_project_disables_no_start(
    as_user: AsUser, alice: User, state: DrillState
) -> None:
    other = Project.objects.create(name="Other", slug="other")
    start_drill(name="storm", project=other, actor=None, now=timezone.now())
    client = as_user(alice)
    text = client.get(PAGE).text
    assert "disabled>Start" in text
    assert "A drill of another project is under way" in text
    long_ago = timezone.now() - 2 * DRILL_STARTS_WITHIN
    DrillReport.objects.update(state=state, created_at=long_ago, beat_at=long_ago)
    text = client.get(PAGE).text

    assert "disabled>Start" not in text
    assert "A drill of another project is under way" not in text

"""Drills are started one at a time, held, cancelled, and kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from readiness.operations import drill_services
from readiness.operations.drill_queries import active_drill, drill_rows, last_held
from readiness.operations.drill_services import (
    KEPT,
    AnotherDrillError,
    cancel_drill,
    fail_drill,
    hold_drill,
    start_drill,
)
from readiness.operations.drills.arena import Outcome
from readiness.operations.drills.findings import Moment
from readiness.operations.models import DRILL_STARTS_WITHIN, LOST_AFTER, DrillReport, DrillState
from readiness.projects.models import Project, Tier
from tests.operations.drill_support import held

pytestmark = pytest.mark.django_db

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


def start(project: Project | None = None, name: str = "storm", now: datetime = NOW) -> DrillReport:
    return start_drill(name=name, project=project, actor=None, now=now)


def test_second_drill_waits_until_the_first_is_over() -> None:
    first = start()
    with pytest.raises(AnotherDrillError, match="Another drill is under way"):
        start(name="outage")
    cancel_drill(report_id=first.pk, now=NOW)

    assert start(name="outage").active


def test_drill_whose_process_fell_silent_does_not_keep_the_next_from_starting() -> None:
    first = start()
    DrillReport.objects.update(state=DrillState.RUNNING, beat_at=NOW)
    second = start(now=NOW + 2 * LOST_AFTER)
    first.refresh_from_db()

    assert second.active
    assert (first.state, first.active) == (DrillState.FAILED, None)


def test_drill_whose_job_was_lost_does_not_keep_the_next_from_starting() -> None:
    first = start()
    late = NOW + DRILL_STARTS_WITHIN + timedelta(seconds=1)
    assert active_drill(late) is None
    second = start(name="outage", now=late)
    first.refresh_from_db()

    assert active_drill(late) == second
    assert (first.state, first.active, first.finished_at) == (DrillState.FAILED, None, late)
    assert "No worker took it in time" in first.trouble


def test_drill_that_waits_behind_a_benchmark_is_not_lost() -> None:
    first = start()
    late = NOW + DRILL_STARTS_WITHIN
    with pytest.raises(AnotherDrillError):
        start(name="outage", now=late)

    assert active_drill(late) == first


def test_drill_that_was_given_up_is_not_held_when_its_job_comes_late(arena) -> None:
    first = start()
    start(name="outage", now=NOW + 2 * DRILL_STARTS_WITHIN)
    arena(lambda: None)
    hold_drill(report_id=first.pk)
    first.refresh_from_db()

    assert (first.state, first.started_at) == (DrillState.FAILED, None)


def test_drill_that_is_over_cannot_be_cancelled() -> None:
    report = start()
    assert fail_drill(report_id=report.pk, trouble="No.", now=NOW)

    assert not cancel_drill(report_id=report.pk, now=NOW)


def test_oldest_reports_of_a_drill_go() -> None:
    for day in range(KEPT + 2):
        held("storm", at=NOW + timedelta(days=day))
    held("outage", at=NOW)
    start(now=NOW + timedelta(days=99))

    assert DrillReport.objects.filter(name="storm").count() == KEPT
    assert DrillReport.objects.filter(name="outage").count() == 1


def test_reports_of_other_projects_and_of_the_site_stay(project: Project) -> None:
    other = Project.objects.create(name="Other", slug="other")
    theirs, of_the_site = held("storm", project=other, at=NOW), held("storm", at=NOW)
    for day in range(1, KEPT + 1):
        held("storm", project=project, at=NOW + timedelta(days=day))
    start(project, now=NOW + timedelta(days=99))

    assert DrillReport.objects.filter(project=project).count() == KEPT
    assert set(DrillReport.objects.exclude(project=project)) == {theirs, of_the_site}


def test_newest_evidence_stays_behind_any_number_of_drills_that_are_none(project: Project) -> None:
    older, evidence = (held("storm", project=project, at=NOW + timedelta(hours=hour)) for hour in (0, 1))
    for day in range(1, KEPT + 1):
        none = {"quick": True} if day % 2 else {"state": DrillState.CANCELLED}
        held("storm", project=project, at=NOW + timedelta(days=day), **none)
    start(project, now=NOW + timedelta(days=99))
    found = last_held(project, "storm")

    assert found is not None
    assert found.row == evidence
    assert not DrillReport.objects.filter(pk=older.pk).exists()


def test_drill_without_the_simulated_service_says_what_to_do(settings) -> None:
    settings.SIMULATOR_URL = "http://127.0.0.1:9/v1"
    report = start()
    hold_drill(report_id=report.pk)
    report.refresh_from_db()

    assert report.state == DrillState.FAILED
    assert "Start it, or set READINESS_SIMULATOR_URL" in report.trouble


@pytest.fixture
def arena(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """``arena(meanwhile)``: holds a drill of one moment, calling ``meanwhile`` in its midst."""

    def put(meanwhile: Callable[[], None]) -> None:
        def hold(name, *, tiers, quick, tell, beat) -> Outcome:
            tell(Moment(at_s=0.5, what="Begun."))
            meanwhile()
            beat()
            return Outcome(findings=[], moments=[])

        monkeypatch.setattr(drill_services, "hold", hold)

    return put


def test_moments_are_stored_while_the_drill_is_held(arena) -> None:
    seen = []
    report = start()

    def look() -> None:
        seen.append(DrillReport.objects.get(pk=report.pk).state)

    arena(look)
    hold_drill(report_id=report.pk)

    assert seen == [DrillState.RUNNING]
    assert DrillReport.objects.get(pk=report.pk).state == DrillState.DONE


def test_drill_that_was_cancelled_meanwhile_stays_cancelled(arena) -> None:
    report = start()
    arena(lambda: cancel_drill(report_id=report.pk, now=NOW) and None)
    hold_drill(report_id=report.pk)
    report.refresh_from_db()

    assert (report.state, report.findings) == (DrillState.CANCELLED, [])
    assert active_drill(NOW) is None


def test_drill_is_held_once(arena) -> None:
    report = start()
    arena(lambda: None)
    hold_drill(report_id=report.pk)
    ended = DrillReport.objects.get(pk=report.pk).finished_at
    hold_drill(report_id=report.pk)

    assert DrillReport.objects.get(pk=report.pk).finished_at == ended


def test_tiers_that_it_is_held_on_are_kept(arena) -> None:
    report = start()
    arena(lambda: None)
    hold_drill(report_id=report.pk)
    report.refresh_from_db()

    assert [tier["slug"] for tier in report.tiers] == list(
        Tier.objects.order_by("-weight", "slug").values_list("slug", flat=True)
    )


def test_rehearsals_other_projects_and_drills_that_were_not_held_are_no_evidence(project: Project) -> None:
    other = Project.objects.create(name="Other", slug="other")
    held("storm", project=project, quick=True)
    held("storm", project=other)
    held("storm", project=project, state=DrillState.FAILED)
    assert last_held(project, "storm") is None

    of_the_site = held("storm")
    found = last_held(project, "storm")

    assert found is not None
    assert found.row == of_the_site


def test_card_shows_the_last_report_that_is_over(project: Project) -> None:
    held("storm", project=project, at=NOW)
    newest = held("storm", project=project, at=NOW + timedelta(hours=1), state=DrillState.FAILED)
    held("storm", project=project, at=NOW + timedelta(hours=2), state=DrillState.CANCELLED)
    row = next(row for row in drill_rows(project) if row.drill.name == "storm")

    assert row.last is not None
    assert row.last.row == newest

"""Previews from their start to what they put into force."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from readiness.accounts.models import AuditEntry, User
from readiness.operations import preview_jobs
from readiness.operations.models import LOST_AFTER, PREVIEW_STARTS_WITHIN, Preview, PreviewState
from readiness.operations.preview_results import Result
from readiness.operations.preview_services import (
    KEPT,
    ChangedMeanwhileError,
    cancel_preview,
    run_preview,
    save_preview,
    start_preview,
)
from readiness.operations.preview_subjects import Subject, SubjectKind, subject_of
from readiness.operations.preview_traces import Trace, TraceRow
from readiness.projects.models import Allowance, AllowanceKind, Project, Tier, TierOverride
from readiness.providers.models import Deployment
from tests.builders import make_deployment
from tests.operations.preview_support import record_rush

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

FREE = Subject(kind=SubjectKind.TIER, tier="free")


@pytest.fixture
def tight() -> Deployment:
    return make_deployment(rpm=20, jitter_ms=0)


def values_of(subject: Subject, **changed: Any) -> dict[str, Any]:
    return {**subject.current(), **changed}


def start(actor: User, subject: Subject = FREE, **values: Any) -> Preview:
    return start_preview(
        actor=actor, subject=subject, values=values_of(subject, **values), now=timezone.now()
    )


def run(preview: Preview) -> Preview:
    preview_jobs.preview(preview.pk)
    preview.refresh_from_db()
    return preview


def p99(preview: Preview, tier: str) -> tuple[int, int]:
    result = Result.from_json(preview.result or {})
    sides = (result.before, result.after)
    before, after = (next(g.p99_ms for g in side.groups if g.name == tier) for side in sides)
    assert before is not None
    assert after is not None
    return before, after


def test_tier_given_more_weight_waits_less(project: Project, site_admin: User, tight: Deployment) -> None:
    record_rush(project, tight, timezone.now())
    done = run(start(site_admin, weight=500))
    before, after = p99(done, "free")

    assert done.state == PreviewState.DONE
    assert after < before
    assert (done.done, done.total) == (80, 80)


def test_nothing_is_saved_by_a_preview(project: Project, site_admin: User, tight: Deployment) -> None:
    record_rush(project, tight, timezone.now(), count=4)
    run(start(site_admin, weight=500))

    assert Tier.objects.get(slug="free").weight == 1
    assert not AuditEntry.objects.exists()


def test_override_is_previewed_before_it_exists(
    project: Project, site_admin: User, tight: Deployment
) -> None:
    record_rush(project, tight, timezone.now())
    subject = Subject(kind=SubjectKind.OVERRIDE, tier="free", project_id=project.pk)
    preview = start(site_admin, subject, weight=500)
    before, after = p99(run(preview), "free (overridden)")

    assert preview.before == {}
    assert after < before


def test_allowance_shows_what_it_would_refuse(project: Project, site_admin: User, tight: Deployment) -> None:
    record_rush(project, tight, timezone.now())
    subject = Subject(kind=SubjectKind.ALLOWANCE, project_id=project.pk, allowance="all")
    done = run(start(site_admin, subject, requests_per_minute=5))
    result = Result.from_json(done.result or {})

    assert not result.before.refusals
    assert {refusals.limit for refusals in result.after.refusals} == {f"project:{project.pk} rpm"}


def test_trace_is_replayed_and_then_forgotten(site_admin: User, tight: Deployment) -> None:
    rows = [TraceRow(i, 100, 10) for i in range(30)]
    trace = Trace(rows=rows, left_out=0, deployment_id=tight.pk, mix={"free": 1})
    done = run(
        start_preview(actor=site_admin, subject=FREE, values=values_of(FREE), now=timezone.now(), trace=trace)
    )

    assert (done.state, done.trace) == (PreviewState.DONE, None)
    assert Result.from_json(done.result or {}).requests == 30


def test_without_records_it_says_how_to_get_some(site_admin: User) -> None:
    done = run(start(site_admin))

    assert done.state == PreviewState.FAILED
    assert "No request was recorded" in done.trouble


def test_without_a_redis_of_its_own_it_says_what_to_do(
    project: Project, site_admin: User, tight: Deployment, settings: Settings
) -> None:
    record_rush(project, tight, timezone.now(), count=2)
    settings.REPLAY_REDIS_URL = settings.REDIS_URL
    done = run(start(site_admin))

    assert done.state == PreviewState.FAILED
    assert "admits calls" in done.trouble


def test_deleted_tier_ends_the_preview(project: Project, site_admin: User, tight: Deployment) -> None:
    record_rush(project, tight, timezone.now(), count=2)
    preview = start(site_admin)
    Tier.objects.get(slug="free").delete()

    assert "deleted" in run(preview).trouble


def test_mistake_of_ours_leaves_no_preview_running(
    project: Project, site_admin: User, tight: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    record_rush(project, tight, timezone.now(), count=2)
    preview = start(site_admin)
    Preview.objects.update(after={"no such column": 1})

    assert run(preview).state == PreviewState.FAILED
    assert "A preview failed" in caplog.text


def test_cancelled_preview_does_not_start(site_admin: User) -> None:
    preview = start(site_admin)
    cancel_preview(preview_id=preview.pk, now=timezone.now())

    assert run(preview).state == PreviewState.CANCELLED


def test_preview_that_is_over_cannot_be_cancelled(site_admin: User) -> None:
    preview = run(start(site_admin))

    assert not cancel_preview(preview_id=preview.pk, now=timezone.now())


def test_cancelling_stops_a_running_replay(project: Project, site_admin: User, tight: Deployment) -> None:
    record_rush(project, tight, timezone.now(), count=4)
    preview = start(site_admin)

    def cancel_once_policy_is_read(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and "projects_tieroverride" in sql:
            cancel_preview(preview_id=preview.pk, now=timezone.now())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(cancel_once_policy_is_read):
        run_preview(preview_id=preview.pk)
    preview.refresh_from_db()

    assert (preview.state, preview.result) == (PreviewState.CANCELLED, None)


def test_job_that_runs_twice_replays_once(project: Project, site_admin: User, tight: Deployment) -> None:
    record_rush(project, tight, timezone.now(), count=2)
    first = run(start(site_admin)).finished_at

    assert run(Preview.objects.get()).finished_at == first


def test_newest_previews_are_kept(site_admin: User) -> None:
    now = timezone.now()
    for number in range(KEPT + 2):
        start_preview(
            actor=site_admin, subject=FREE, values={"weight": 1}, now=now + timedelta(seconds=number)
        )

    assert Preview.objects.count() == KEPT
    assert Preview.objects.earliest("created_at").created_at == now + timedelta(seconds=2)


@pytest.mark.parametrize("minutes", [0, 2])
def test_running_preview_is_lost_after_a_minute_of_silence(site_admin: User, minutes: int) -> None:
    preview = start(site_admin)
    preview.state, preview.beat_at = PreviewState.RUNNING, timezone.now() - timedelta(minutes=minutes)

    assert preview.is_lost(timezone.now()) is (minutes > 1)


@pytest.mark.parametrize(("late", "lost"), [(timedelta(0), False), (timedelta(seconds=1), True)])
def test_preview_that_no_worker_takes_for_an_hour_is_lost(
    site_admin: User, late: timedelta, lost: bool
) -> None:
    preview = start(site_admin)

    assert preview.is_lost(preview.created_at + PREVIEW_STARTS_WITHIN + late) is lost


@pytest.mark.parametrize(
    ("state", "silent", "words"),
    [
        (PreviewState.QUEUED, 2 * PREVIEW_STARTS_WITHIN, "No worker took it in time"),
        (PreviewState.RUNNING, 2 * LOST_AFTER, "ended without a word"),
    ],
)
def test_lost_preview_fails_when_the_next_starts(
    site_admin: User, state: PreviewState, silent: timedelta, words: str
) -> None:
    lost, waiting = start(site_admin), start(site_admin)
    then = timezone.now() - silent
    Preview.objects.filter(pk=lost.pk).update(state=state, created_at=then, beat_at=then)
    start(site_admin)
    lost.refresh_from_db()
    waiting.refresh_from_db()

    assert (lost.state, waiting.state) == (PreviewState.FAILED, PreviewState.QUEUED)
    assert words in lost.trouble


# Into force -------------------------------------------------------------------------------------------


def test_saving_puts_the_previewed_values_into_force(site_admin: User) -> None:
    preview = start(site_admin, weight=7, usd_per_day=Decimal("2.50"))
    preview.refresh_from_db()
    save_preview(actor=site_admin, preview=preview)
    saved = Tier.objects.get(slug="free")

    assert (saved.weight, saved.usd_per_day) == (7, Decimal("2.50"))
    assert AuditEntry.objects.get().action == "tier changed"


def test_saving_is_refused_when_the_tier_was_changed_meanwhile(site_admin: User) -> None:
    preview = start(site_admin, weight=7)
    Tier.objects.filter(slug="free").update(longest_wait_seconds=5)

    with pytest.raises(ChangedMeanwhileError):
        save_preview(actor=site_admin, preview=preview)
    assert Tier.objects.get(slug="free").weight == 1


def test_saving_is_refused_when_the_tier_was_deleted_meanwhile(site_admin: User) -> None:
    preview = start(site_admin, weight=7)
    Tier.objects.get(slug="free").delete()

    with pytest.raises(ChangedMeanwhileError):
        save_preview(actor=site_admin, preview=preview)


def test_saving_adds_a_new_override(project: Project, site_admin: User) -> None:
    subject = Subject(kind=SubjectKind.OVERRIDE, tier="free", project_id=project.pk, end_user="ada")
    save_preview(actor=site_admin, preview=start(site_admin, subject, weight=9))

    assert TierOverride.objects.get().weight == 9


def test_saving_adds_a_new_allowance(site_admin: User) -> None:
    subject = Subject(kind=SubjectKind.ALLOWANCE, allowance="all")
    save_preview(actor=site_admin, preview=start(site_admin, subject, requests_per_minute=9))

    assert Allowance.objects.get().requests_per_minute == 9


def test_saving_is_refused_when_the_key_got_an_allowance_of_another_project(
    project: Project, site_admin: User
) -> None:
    subject = Subject(
        kind=SubjectKind.ALLOWANCE, allowance=AllowanceKind.API_KEY, whom="k1", project_id=project.pk
    )
    preview = start(site_admin, subject, requests_per_minute=9)
    other = Project.objects.create(name="Other", slug="other")
    Allowance.objects.create(kind="api_key", subject="k1", project=other, requests_per_minute=5)

    with pytest.raises(ChangedMeanwhileError):
        save_preview(actor=site_admin, preview=preview)
    assert Allowance.objects.get().requests_per_minute == 5


def test_subject_finds_its_row_again(project: Project) -> None:
    tier = Tier.objects.get(slug="free")
    rows = [
        tier,
        TierOverride.objects.create(tier=tier, project=project, end_user="ada", weight=2),
        Allowance.objects.create(project=project, kind="end_user", subject="ada", requests_per_minute=1),
    ]

    assert [Subject.from_json(subject_of(row).to_json()).row() for row in rows] == rows

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readiness.lib.events import Outcome, UsageEvent
from readiness.lib.histogram import Histogram
from readiness.telemetry.models import Grain, RequestRecord, Rollup
from readiness.telemetry.services import delete_fine_rollups, delete_records_before, write_events
from tests.builders import make_deployment

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def event(number: int = 1, **values) -> UsageEvent:
    defaults = {
        "event_id": f"e{number}",
        "request_id": f"r{number}",
        "at_ms": NOON_MS,
        "tier": "pro",
        "http_status": 200,
        "input_tokens": 10,
        "output_tokens": 5,
        "cost_nanos": 700,
        "provider_ms": 400,
        "ttft_ms": 90,
    }
    return UsageEvent(**(defaults | values))


@pytest.fixture
def deployment(project):
    return make_deployment()


def test_events_become_records_with_all_their_fields(project, deployment):
    write_events([event(project_id=project.id, deployment_id=deployment.id, queued=True, queue_ms=30)])
    record = RequestRecord.objects.get()
    assert (record.project, record.deployment, record.at) == (project, deployment, NOON)
    assert (record.queued, record.queue_ms, record.cost_nanos, record.ttft_ms) == (True, 30, 700, 90)


def test_a_refusal_says_for_whom_by_which_limit_and_until_when(project):
    said = {
        "end_user": "ann",
        "api_key": "k1",
        "predicted_ms": 45_000,
        "refused_by": "project:12 month",
        "retry_after_ms": 31 * 86_400_000,
    }
    write_events([event(outcome=Outcome.REFUSED, project_id=project.id, **said)])
    assert RequestRecord.objects.values(*said).get() == said


def test_a_row_of_the_version_before_takes_its_missing_columns_from_the_database(db):
    """As a recorder that was not restarted yet writes it."""
    write_events([event()])
    later = {"end_user", "api_key", "predicted_ms", "refused_by", "retry_after_ms"}
    columns = [f.column for f in RequestRecord._meta.local_concrete_fields if f.name not in later | {"id"}]
    kept = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO telemetry_requestrecord ({kept}) "
            f"SELECT {kept.replace('event_id', 'request_id', 1)} FROM telemetry_requestrecord"
        )
    row = RequestRecord.objects.values_list(
        "end_user", "api_key", "predicted_ms", "refused_by", "retry_after_ms"
    )
    assert row.get(event_id="r1") == ("", "", -1, "", 0)


def test_an_event_delivered_twice_is_recorded_once(project, deployment):
    same = event(project_id=project.id, deployment_id=deployment.id)
    write_events([same, same])
    written = write_events([same])
    assert (written.added, written.replaced) == (0, 0)
    assert RequestRecord.objects.count() == 1
    assert Rollup.objects.get(grain=Grain.MINUTE).requests == 1


def test_a_late_settlement_replaces_the_orphan_in_records_and_rollups(project, deployment):
    ids = {"project_id": project.id, "deployment_id": deployment.id}
    write_events([event(outcome=Outcome.ORPHANED, output_tokens=999, provider_ms=-1, ttft_ms=-1, **ids)])
    later = NOON_MS + 3_600_000
    written = write_events([event(version=2, at_ms=later, **ids)])
    assert (written.added, written.replaced) == (0, 1)
    assert RequestRecord.objects.get().outcome == Outcome.OK
    old, new = Rollup.objects.filter(grain=Grain.HOUR).order_by("start")
    assert (old.orphaned, old.attempts, old.output_tokens) == (0, 0, 0)
    assert (new.delivered, new.output_tokens, Histogram.from_json(new.latency).count) == (1, 5, 1)


def test_a_lower_version_that_comes_late_changes_nothing(project, deployment):
    ids = {"project_id": project.id, "deployment_id": deployment.id}
    write_events([event(version=2, **ids)])
    write_events([event(version=1, outcome=Outcome.ORPHANED, **ids)])
    assert RequestRecord.objects.get().outcome == Outcome.OK
    assert Rollup.objects.get(grain=Grain.HOUR).orphaned == 0


def test_an_event_of_a_deleted_project_is_kept_without_it(db):
    write_events([event(project_id=4711, deployment_id=4712)])
    record = RequestRecord.objects.get()
    assert (record.project, record.deployment) == (None, None)
    assert not Rollup.objects.exists()


def test_a_provider_429_that_is_retried_counts_as_an_attempt_and_not_as_a_request(project, deployment):
    ids = {"project_id": project.id, "deployment_id": deployment.id}
    first = event(1, final=False, outcome=Outcome.FAILED, http_status=429, provider_ms=20, **ids)
    write_events([first, event(2, attempt=2, queued=True, **ids)])
    row = Rollup.objects.get(grain=Grain.MINUTE)
    assert (row.requests, row.attempts, row.upstream_429, row.delivered, row.failed) == (1, 2, 1, 1, 0)
    assert row.absorbed == 1


def test_a_refusal_reaches_no_provider(project, deployment):
    refused = event(
        outcome=Outcome.REFUSED, http_status=0, project_id=project.id, deployment_id=deployment.id
    )
    write_events([refused])
    row = Rollup.objects.get(grain=Grain.MINUTE)
    assert (row.requests, row.attempts, row.refused) == (1, 0, 1)


outcomes = st.sampled_from(list(Outcome))
random_events = st.lists(
    st.builds(
        event,
        number=st.integers(1, 12),
        version=st.integers(1, 3),
        at_ms=st.integers(NOON_MS, NOON_MS + 3 * 3_600_000),
        outcome=outcomes,
        final=st.booleans(),
        tier=st.sampled_from(["free", "pro"]),
        output_tokens=st.integers(0, 1000),
        provider_ms=st.integers(-1, 60_000),
        queue_ms=st.integers(0, 60_000),
        queued=st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(random_events, min_size=1, max_size=4))
def test_rollups_equal_a_recount_of_the_records(project, deployment, batches):
    RequestRecord.objects.all().delete()
    Rollup.objects.all().delete()
    for batch in batches:
        write_events(
            UsageEvent(**{**_fields(e), "project_id": project.id, "deployment_id": deployment.id})
            for e in batch
        )
    counted, tokens = Counter(), Counter()
    for record in RequestRecord.objects.filter(final=True):
        counted[record.at.replace(minute=0, second=0, microsecond=0), record.tier] += 1
    for record in RequestRecord.objects.all():
        tokens[record.at.replace(minute=0, second=0, microsecond=0), record.tier] += record.output_tokens
    rows = list(Rollup.objects.filter(grain=Grain.HOUR))
    assert {(r.start, r.tier): r.requests for r in rows if r.requests} == dict(counted)
    assert {(r.start, r.tier): r.output_tokens for r in rows if r.output_tokens} == dict(+tokens)
    measured = RequestRecord.objects.filter(outcome=Outcome.OK, provider_ms__gte=0).count()
    assert sum(Histogram.from_json(row.latency).count for row in rows) == measured


def _fields(e: UsageEvent) -> dict:
    return {name: getattr(e, name) for name in UsageEvent.__dataclass_fields__}


def test_every_grain_holds_the_same_sums(project, deployment):
    ids = {"project_id": project.id, "deployment_id": deployment.id}
    write_events(event(i, at_ms=NOON_MS + i * 600_000, **ids) for i in range(10))
    sums = {g: sum(r.cost_nanos for r in Rollup.objects.filter(grain=g)) for g in Grain}
    assert sums == dict.fromkeys(Grain, 7000)


def test_fine_rollups_are_deleted_when_their_time_is_over(project, deployment):
    ids = {"project_id": project.id, "deployment_id": deployment.id}
    write_events([event(**ids)])
    delete_fine_rollups(now=NOON + timedelta(days=3))
    assert set(Rollup.objects.values_list("grain", flat=True)) == {Grain.QUARTER, Grain.HOUR}
    delete_fine_rollups(now=NOON + timedelta(days=33))
    assert set(Rollup.objects.values_list("grain", flat=True)) == {Grain.HOUR}


def test_old_records_are_deleted_and_rollups_stay(project, deployment):
    ids = {"project_id": project.id, "deployment_id": deployment.id}
    write_events(event(i, at_ms=NOON_MS + i, **ids) for i in range(5))
    assert delete_records_before(moment=NOON + timedelta(milliseconds=3), batch=2) == 3
    assert RequestRecord.objects.count() == 2
    assert Rollup.objects.get(grain=Grain.HOUR).requests == 5

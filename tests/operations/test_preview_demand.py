"""Demand from records and from traces."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from readiness.lib.events import Outcome
from readiness.operations.preview_demand import (
    NoDemandError,
    recent_requests,
    recorded_demand,
    traced_demand,
)
from readiness.operations.preview_subjects import Subject, SubjectKind
from readiness.operations.preview_traces import Trace, TraceRow
from readiness.projects.models import AllowanceKind, Project
from readiness.providers.models import Deployment, PriceOverride
from tests.builders import make_account, make_deployment
from tests.operations.preview_support import record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
FREE = Subject(kind=SubjectKind.TIER, tier="free")


@pytest.fixture
def deployment(project: Project) -> Deployment:
    return make_deployment(rpm=30, tpm=9_000)


def trace(deployment: Deployment, *rows: TraceRow, mix: dict[str, int] | None = None) -> Trace:
    return Trace(rows=rows, left_out=2, deployment_id=deployment.pk, mix=mix or {"free": 1})


def test_request_arrives_before_it_waited_and_was_answered(project: Project, deployment: Deployment) -> None:
    record(project, deployment, NOW, provider_ms=700, queue_ms=300)
    (request,) = recorded_demand(FREE, NOW).requests

    assert request.at_ms == round(NOW.timestamp() * 1000) - 1_000
    assert (request.hold_ms, request.nanos, request.tokens) == (700, 500, 50)


def test_newest_requests_are_read_from_their_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")

    assert "record_newest" in recent_requests(NOW)[:10].explain()


def test_limits_are_those_of_the_deployment_now(project: Project, deployment: Deployment) -> None:
    record(project, deployment, NOW)
    (upstream,) = recorded_demand(FREE, NOW).upstreams.values()

    assert (upstream.quota.rpm, upstream.quota.tpm) == (30, 9_000)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.EXPIRED, Outcome.CANCELLED, Outcome.FAILED])
def test_request_that_was_never_answered_counts_as_the_median(
    project: Project, deployment: Deployment, outcome: Outcome
) -> None:
    for number, tokens in enumerate((10, 30, 80)):
        record(project, deployment, NOW, number=number, input_tokens=tokens, output_tokens=0)
    unused = {"input_tokens": 0, "output_tokens": 0, "cost_nanos": 0, "provider_ms": -1}
    record(project, deployment, NOW - timedelta(hours=1), number=9, outcome=outcome, **unused)
    demanded = recorded_demand(FREE, NOW)
    last = min(demanded.requests, key=lambda request: request.at_ms)

    assert (last.tokens, last.hold_ms, demanded.estimated) == (30, 1_000, 1)


def test_median_is_of_the_same_tier(project: Project, deployment: Deployment) -> None:
    record(project, deployment, NOW, number=1, input_tokens=900, tier="pro")
    record(project, deployment, NOW, number=2, input_tokens=20, tier="free")
    record(project, deployment, NOW - timedelta(hours=1), number=3, outcome=Outcome.REFUSED, tier="pro")
    refused = min(recorded_demand(FREE, NOW).requests, key=lambda request: request.at_ms)

    assert refused.cost.input_tokens == 900


def test_older_requests_are_not_replayed(project: Project, deployment: Deployment) -> None:
    record(project, deployment, NOW - timedelta(hours=25))

    with pytest.raises(NoDemandError, match="trace"):
        recorded_demand(FREE, NOW)


def test_newest_requests_are_taken_and_the_others_counted(
    project: Project, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readiness.operations.preview_demand.MOST_REQUESTS", 2)
    for number in range(5):
        record(project, deployment, NOW - timedelta(minutes=number), number=number)
    demanded = recorded_demand(FREE, NOW)

    assert demanded.left_out == 3
    assert {request.at_ms for request in demanded.requests} == {
        round(NOW.timestamp() * 1000) - 1_000 - 60_000 * number for number in range(2)
    }


def test_requests_of_an_override_are_counted_apart(project: Project, deployment: Deployment) -> None:
    record(project, deployment, NOW, number=1, end_user="ada")
    record(project, deployment, NOW, number=2)
    ada = Subject(kind=SubjectKind.OVERRIDE, tier="free", project_id=project.pk, end_user="ada")

    assert {request.group for request in recorded_demand(ada, NOW).requests} == {"free", "free (overridden)"}


def test_trace_begins_when_the_preview_was_asked_for(deployment: Deployment) -> None:
    demanded = traced_demand(trace(deployment, TraceRow(250, 30, 4)), FREE, NOW)
    (request,) = demanded.requests

    assert request.at_ms == round(NOW.timestamp() * 1000) + 250
    assert (request.cost.tokens, request.tokens, request.hold_ms) == (30, 34, 580)
    assert demanded.left_out == 2


def test_trace_costs_what_the_deployment_costs(deployment: Deployment) -> None:
    for unit, usd in (("input_token", 2), ("output_token", 10)):
        PriceOverride.objects.create(
            deployment=deployment, unit=unit, usd_per_million=usd, effective_from=NOW.date()
        )
    (request,) = traced_demand(trace(deployment, TraceRow(0, 30, 4)), FREE, NOW).requests

    assert request.nanos == 30 * 2_000 + 4 * 10_000


def test_requests_without_a_tier_are_spread_by_the_mix(deployment: Deployment) -> None:
    rows = [TraceRow(i, 1, 1) for i in range(1_000)]
    mixed = trace(deployment, *rows, mix={"free": 3, "pro": 1})
    tiers = [request.tier for request in traced_demand(mixed, FREE, NOW).requests]

    assert tiers == [request.tier for request in traced_demand(mixed, FREE, NOW).requests]
    assert 700 < tiers.count("free") < 800


def test_tier_of_a_request_wins_over_the_mix(deployment: Deployment) -> None:
    (request,) = traced_demand(trace(deployment, TraceRow(0, 1, 1, "pro")), FREE, NOW).requests

    assert request.tier == "pro"


def test_trace_of_an_override_is_its_projects(project: Project, deployment: Deployment) -> None:
    override = Subject(kind=SubjectKind.OVERRIDE, tier="free", project_id=project.pk)
    (request,) = traced_demand(trace(deployment, TraceRow(0, 1, 1)), override, NOW).requests

    assert (request.project_id, request.group) == (project.pk, "free (overridden)")


def test_attempts_of_a_request_are_one_demand(project: Project, deployment: Deployment) -> None:
    for number in range(3):
        failed = {"outcome": Outcome.FAILED, "final": number == 2}
        record(project, deployment, NOW - timedelta(minutes=1), number=number, **failed)

    assert len(recorded_demand(FREE, NOW).requests) == 1


def test_trace_of_a_keys_allowance_comes_with_the_key(deployment: Deployment) -> None:
    of_key = Subject(kind=SubjectKind.ALLOWANCE, allowance=AllowanceKind.API_KEY, whom="k1")
    (request,) = traced_demand(trace(deployment, TraceRow(0, 1, 1)), of_key, NOW).requests

    assert request.api_key == "k1"


def test_trace_is_otherwise_of_the_project_that_owns_the_account(project: Project) -> None:
    own = make_deployment(make_account(project))
    (request,) = traced_demand(trace(own, TraceRow(0, 1, 1)), FREE, NOW).requests

    assert request.project_id == project.pk


def test_trace_of_a_deleted_deployment_is_refused(deployment: Deployment) -> None:
    gone = trace(deployment, TraceRow(0, 1, 1))
    deployment.delete()

    with pytest.raises(NoDemandError, match="deleted"):
        traced_demand(gone, FREE, NOW)

"""Predicted waits against real ones, and orphans."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from readiness.operations.waits import compared, orphans, predicted_since, waits
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.telemetry.models import Grain, RequestRecord, Rollup
from tests.builders import make_account, make_deployment

NOW = datetime(2027, 1, 15, 8, 30, tzinfo=UTC)


@pytest.fixture
def deployment(project: Project) -> Deployment:
    return make_deployment(make_account(project), name="Large")


def waited(deployment: Deployment, predicted_ms: int, queue_ms: int, **values: Any) -> None:
    number = RequestRecord.objects.count()
    defaults: dict[str, Any] = {
        "project": deployment.account.project,
        "deployment": deployment,
        "at": NOW - timedelta(minutes=1),
        "outcome": "ok",
        "purpose": "app",
    }
    RequestRecord.objects.create(
        event_id=f"e{number}",
        request_id=f"r{number}",
        predicted_ms=predicted_ms,
        queue_ms=queue_ms,
        **(defaults | values),
    )


def test_error_is_the_median_and_has_a_sign() -> None:
    assert compared([(10, 12), (10, 11), (10, 4)]).error_s == 1
    assert compared([(10, 8)]).error_s == -2


@pytest.mark.parametrize(
    ("predicted", "waited", "close"), [(10, 12, 1), (10, 8, 1), (10, 12.1, 0), (10, 7.9, 0), (0, 0.1, 0)]
)
def test_prediction_is_close_within_a_fifth_of_it(predicted: float, waited: float, close: float) -> None:
    assert compared([(predicted, waited)]).close == close


def test_share_of_close_predictions_is_of_all() -> None:
    assert compared([(10, 10), (10, 20), (10, 30), (10, 40)]).close == 0.25


def test_requests_of_about_the_same_prediction_share_a_bin() -> None:
    found = compared([(11, n) for n in range(11)] + [(61, 70)])

    assert [(one.low, one.high, one.count) for one in found.bins] == [(10, 20, 11), (60, 120, 1)]
    assert (found.bins[0].shortest, found.bins[0].wait, found.bins[0].longest) == (1, 5, 9)


def test_nothing_waited_is_no_error_of_zero() -> None:
    found = compared([])

    assert (found.count, found.error_s, found.close, found.bins) == (0, None, None, [])


def test_waits_are_read_in_seconds(project: Project, deployment: Deployment) -> None:
    waited(deployment, 2000, 2500)

    assert waits(project, deployment, NOW).error_s == 0.5


@pytest.mark.parametrize(
    "values",
    [
        {"outcome": "expired"},
        {"outcome": "refused"},
        {"outcome": "cancelled"},
        {"predicted_ms": -1},
        {"at": NOW - timedelta(hours=25)},
    ],
    ids=str,
)
def test_what_has_no_whole_wait_does_not_count(
    project: Project, deployment: Deployment, values: dict[str, Any]
) -> None:
    waited(deployment, **({"predicted_ms": 2000, "queue_ms": 2500} | values))

    assert waits(project, deployment, NOW).count == 0


def test_waits_of_other_projects_and_deployments_do_not_count(
    project: Project, deployment: Deployment
) -> None:
    waited(deployment, 2000, 2500, project=Project.objects.create(name="Other", slug="other"))
    waited(make_deployment(deployment.account), 2000, 2500)

    assert waits(project, deployment, NOW).count == 0


def test_waits_are_one_query(
    project: Project, deployment: Deployment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        waited(deployment, 2000, 2500)
    with django_assert_num_queries(1):
        assert waits(project, deployment, NOW).count == 20


def test_orphans_of_the_day_are_added_up(project: Project, deployment: Deployment) -> None:
    for hours, grain in ((0, Grain.HOUR), (24, Grain.HOUR), (25, Grain.HOUR), (0, Grain.MINUTE)):
        start = NOW.replace(minute=0) - timedelta(hours=hours)
        Rollup.objects.create(
            grain=grain, start=start, project=project, deployment=deployment, purpose="app", orphaned=2
        )

    assert orphans(project, deployment, NOW) == 4


def test_no_orphans_are_none(project: Project, deployment: Deployment) -> None:
    assert orphans(project, deployment, NOW) == 0


def test_waits_are_read_from_their_index(project: Project, deployment: Deployment) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")

    assert "record_predicted" in predicted_since(project, deployment, NOW - timedelta(hours=1)).explain()

from datetime import UTC, datetime, timedelta

from readiness.lib.events import Outcome, UsageEvent
from readiness.telemetry.queries import (
    Filters,
    run_ledger,
    spend_nanos,
    traffic,
    upstream_429_count,
    usual_range,
)
from readiness.telemetry.ranges import RANGES
from readiness.telemetry.services import write_events
from tests.builders import make_deployment

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)


def write(project, deployment, number, minutes_ago=1.0, **values):
    at = NOW - timedelta(minutes=minutes_ago)
    fields = {
        "event_id": f"e{number}",
        "request_id": f"r{number}",
        "at_ms": int(at.timestamp() * 1000),
        "project_id": project.id,
        "deployment_id": deployment.id,
        "http_status": 200,
    }
    write_events([UsageEvent(**(fields | values))])


def test_windows_cover_the_range_and_end_with_the_current_one():
    windows = RANGES["1h"].windows(NOW)
    assert len(windows) == 60
    assert windows[-1] == datetime(2026, 11, 23, 12, 34, tzinfo=UTC)


def test_traffic_leaves_out_what_is_older_than_the_range(project):
    deployment = make_deployment()
    write(project, deployment, 1, minutes_ago=59)
    write(project, deployment, 2, minutes_ago=61)
    assert traffic(project, RANGES["1h"], Filters(), NOW).total.requests == 1


def test_every_range_sees_the_same_recent_request(project):
    deployment = make_deployment()
    write(project, deployment, 1, cost_nanos=5)
    totals = [traffic(project, chosen, Filters(), NOW).total for chosen in RANGES.values()]
    assert [(total.requests, total.cost_nanos) for total in totals] == [(1, 5)] * 4


def test_filter_by_tier_and_purpose(project):
    deployment = make_deployment()
    write(project, deployment, 1, tier="free")
    write(project, deployment, 2, tier="pro", purpose="judge")
    assert traffic(project, RANGES["1h"], Filters(tier="free"), NOW).total.requests == 1
    assert traffic(project, RANGES["1h"], Filters(purpose="judge"), NOW).total.requests == 1


def test_upstream_429_count_is_of_attempts(project):
    deployment = make_deployment()
    write(project, deployment, 1, http_status=429, outcome=Outcome.FAILED, final=False)
    write(project, deployment, 2)
    assert upstream_429_count(project, deployment, NOW - timedelta(days=7)) == (1, 2)


def test_spend_counts_from_the_given_hour(project):
    deployment = make_deployment()
    write(project, deployment, 1, minutes_ago=10, cost_nanos=7)
    write(project, deployment, 2, minutes_ago=300, cost_nanos=70)
    assert spend_nanos(project, NOW - timedelta(hours=1)) == 7


def test_run_ledger_keeps_orphans_and_their_estimates_apart(project):
    deployment = make_deployment()
    write(project, deployment, 1, run_id="a", input_tokens=10, output_tokens=2)
    write(project, deployment, 2, run_id="a", outcome=Outcome.ORPHANED, input_tokens=99)
    write(project, deployment, 3, run_id="a", outcome=Outcome.REFUSED)
    write(project, deployment, 4, run_id="b", input_tokens=50)
    (line,) = run_ledger("a")
    assert (line.attempts, line.orphans, line.input_tokens, line.output_tokens) == (1, 1, 10, 2)


def test_the_first_look_is_the_last_hour_until_there_is_older_traffic(project):
    deployment = make_deployment()
    write(project, deployment, 1, minutes_ago=30)
    assert usual_range(project, NOW).name == "1h"
    write(project, deployment, 2, minutes_ago=300)
    assert usual_range(project, NOW).name == "24h"

"""What the queue says of itself, and what it gives as evidence."""

from datetime import UTC, datetime, timedelta

import pytest

from readiness.reviews.models import ItemState, Stream, Verdict
from readiness.reviews.queries import (
    QueueCounts,
    StratumDecisions,
    busiest_minute,
    decisions_by_stratum,
    diligence,
    export_rows,
    queue_counts,
    undoable,
    waiting_count,
)
from readiness.reviews.services import UNDO_TIME, claim_next, decide, skip, undo
from tests.builders import make_deployment, make_review_item

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def decided(project, reviewer, now=NOW, seconds=5, **values):
    """An item with a standing approval, or another verdict."""
    verdict = values.pop("verdict", Verdict.APPROVE)
    make_review_item(project, priority=9, **values)
    lease = claim_next(project=project, reviewer=reviewer, now=now - timedelta(seconds=seconds))
    return decide(item=lease.item, token=lease.token, reviewer=reviewer, verdict=verdict, now=now)


def test_counts_say_why_the_queue_is_as_it_is(project, rita, alice):
    decided(project, rita)
    decided(project, rita, now=NOW - timedelta(days=1))
    make_review_item(project)
    lease = claim_next(project=project, reviewer=rita, now=NOW)
    skip(item=lease.item, token=lease.token, reviewer=rita, now=NOW)
    make_review_item(project)
    claim_next(project=project, reviewer=alice, now=NOW)
    assert queue_counts(project, rita, NOW) == QueueCounts(
        waiting=2, leased_by_others=1, skipped_by_you=1, done_today=1
    )
    assert waiting_count(project) == 2


def test_verdict_is_undoable_for_a_minute_and_not_after_an_undo(project, rita):
    decision = decided(project, rita)
    assert undoable(project, rita, NOW + UNDO_TIME) == decision
    assert undoable(project, rita, NOW + UNDO_TIME + timedelta(seconds=1)) is None
    undo(decision=decision, reviewer=rita, now=NOW)
    assert undoable(project, rita, NOW) is None


def test_decisions_by_stratum_count_the_random_stream_of_one_model_and_prompt(project, rita):
    deployment = make_deployment()
    own = {"deployment": deployment, "prompt_hash": "p1", "stream": Stream.RANDOM}
    decided(project, rita, **own)
    decided(project, rita, verdict=Verdict.REJECT, **own)
    decided(project, rita, **own | {"stream": Stream.RISK})
    decided(project, rita, **own | {"prompt_hash": "p2"})
    make_review_item(project, **own | {"stratum": "battery"})
    make_review_item(project, **own | {"stratum": "gone", "state": ItemState.WITHDRAWN})
    assert decisions_by_stratum(project, deployment, "p1") == [
        StratumDecisions(stratum="battery", items=1, approved=0, rejected=0, corrected=0),
        StratumDecisions(stratum="warranty", items=2, approved=1, rejected=1, corrected=0),
    ]


def test_decisions_by_stratum_leave_older_items_out(project, rita):
    decided(project, rita, stream=Stream.RANDOM, created_at=NOW - timedelta(days=9))
    assert decisions_by_stratum(project, None, "", since=NOW - timedelta(days=7)) == []


def test_diligence_gives_median_time_and_the_fastest_minute(project, rita, alice):
    for index, seconds in enumerate((2, 4, 30)):
        decided(project, rita, now=NOW + timedelta(seconds=index), seconds=seconds)
    decided(project, alice, now=NOW)
    result = diligence(project, None, "")
    assert (result.decisions, result.median_seconds, result.fastest_per_minute) == (4, 4.5, 3)


def test_diligence_without_a_verdict_gives_no_figure(project):
    assert diligence(project, None, "").median_seconds is None


@pytest.mark.parametrize(
    ("seconds", "most"), [([0], 1), ([0, 59], 2), ([0, 60], 1), ([0, 30, 61, 62, 119], 3)]
)
def test_busiest_minute_slides(seconds, most):
    assert busiest_minute([NOW + timedelta(seconds=s) for s in seconds]) == most


def test_export_holds_undone_verdicts_and_undos_too(project, rita):
    decision = decided(project, rita)
    undo(decision=decision, reviewer=rita, now=NOW + timedelta(seconds=1))
    rows = list(export_rows(project))
    assert [row["verdict"] for row in rows] == ["approve", "undo"]
    assert rows[0]["undone_by_id"] == rows[1]["id"]
    assert rows[1]["supersedes_id"] == decision.pk

"""Leases, verdicts and undo: what holds whoever comes second."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from readiness.reviews.models import Decision, ItemState, ReviewItem, Stream, Verdict
from readiness.reviews.services import (
    LEASE,
    UNDO_TIME,
    LeaseLostError,
    UndoRefusedError,
    claim_next,
    decide,
    open_item,
    renew,
    restore_skipped,
    skip,
    undo,
)
from tests.builders import make_review_item

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def claim(project, reviewer, now=NOW):
    return claim_next(project=project, reviewer=reviewer, now=now)


def approve(lease, reviewer, now=NOW):
    return decide(item=lease.item, token=lease.token, reviewer=reviewer, verdict=Verdict.APPROVE, now=now)


def test_open_item_opens_one_item_per_object(project):
    first = open_item(project=project, kind="spot_check", object_id="7", question="Q", output="A")
    again = open_item(project=project, kind="spot_check", object_id="7", question="Q", output="other")
    assert (again.pk, again.output, ReviewItem.objects.count()) == (first.pk, "A", 1)


def test_claim_follows_priority_then_age(project, rita):
    make_review_item(project)
    urgent = make_review_item(project, priority=1, stream=Stream.RANDOM)
    assert claim(project, rita).item == urgent


def test_claim_gives_a_reviewer_their_own_lease_back_with_fresh_time(project, rita):
    make_review_item(project)
    make_review_item(project)
    first = claim(project, rita)
    again = claim(project, rita, NOW + 60 * SECOND)
    assert (again.item, again.token) == (first.item, first.token)
    assert again.until == NOW + 60 * SECOND + LEASE


def test_claim_passes_over_what_another_reviewer_holds(project, rita, alice):
    make_review_item(project)
    claim(project, rita)
    assert claim(project, alice) is None


def test_claim_takes_over_an_expired_lease(project, rita, alice):
    item = make_review_item(project)
    claim(project, rita)
    assert claim(project, alice, NOW + LEASE).item == item


def test_claim_stays_within_the_project(project, rita):
    from readiness.projects.models import Project

    make_review_item(Project.objects.create(name="Other", slug="other"))
    assert claim(project, rita) is None


def test_decide_writes_verdict_state_and_the_time_since_the_lease(project, rita):
    make_review_item(project)
    lease = claim(project, rita)
    decision = approve(lease, rita, NOW + 17 * SECOND)
    lease.item.refresh_from_db()
    assert (decision.seconds, decision.reviewer_label) == (17, "rita")
    assert (lease.item.state, lease.item.lease_token) == (ItemState.APPROVED, "")


def test_renewing_does_not_shorten_the_time_taken(project, rita):
    make_review_item(project)
    lease = claim(project, rita)
    renew(item=lease.item, token=lease.token, reviewer=rita, now=NOW + 200 * SECOND)
    assert approve(lease, rita, NOW + 400 * SECOND).seconds == 400


def test_decide_works_after_expiry_while_nobody_took_the_item(project, rita):
    make_review_item(project)
    lease = claim(project, rita)
    approve(lease, rita, NOW + 2 * LEASE)
    lease.item.refresh_from_db()
    assert lease.item.state == ItemState.APPROVED


def test_decide_with_a_lease_that_passed_on_is_refused(project, rita, alice):
    make_review_item(project)
    lost = claim(project, rita)
    claim(project, alice, NOW + LEASE)
    with pytest.raises(LeaseLostError):
        approve(lost, rita, NOW + LEASE)
    assert not Decision.objects.exists()


def test_decide_twice_writes_one_decision(project, rita):
    make_review_item(project)
    lease = claim(project, rita)
    approve(lease, rita)
    with pytest.raises(LeaseLostError):
        approve(lease, rita)
    assert Decision.objects.count() == 1


def test_decide_without_a_token_never_matches_an_item_that_nobody_holds(project, rita):
    item = make_review_item(project)
    with pytest.raises(LeaseLostError):
        decide(item=item, token="", reviewer=rita, verdict=Verdict.APPROVE, now=NOW)


def test_decide_with_another_reviewers_token_is_refused(project, rita, alice):
    make_review_item(project)
    lease = claim(project, rita)
    with pytest.raises(LeaseLostError):
        approve(lease, alice)


def test_renew_of_a_lost_lease_is_refused(project, rita, alice):
    make_review_item(project)
    lost = claim(project, rita)
    claim(project, alice, NOW + LEASE)
    with pytest.raises(LeaseLostError):
        renew(item=lost.item, token=lost.token, reviewer=rita, now=NOW + LEASE)


def test_skipped_item_goes_to_others_and_comes_back_on_request(project, rita, alice):
    item = make_review_item(project)
    lease = claim(project, rita)
    skip(item=item, token=lease.token, reviewer=rita, now=NOW)
    assert claim(project, rita) is None
    assert restore_skipped(project=project, reviewer=rita) == 1
    assert claim(project, rita).item == item


def test_undo_supersedes_the_verdict_and_leases_the_item_again(project, rita):
    make_review_item(project)
    decision = approve(claim(project, rita), rita)
    lease = undo(decision=decision, reviewer=rita, now=NOW + UNDO_TIME)
    lease.item.refresh_from_db()
    assert (lease.item.state, lease.item.leased_by) == (ItemState.WAITING, rita)
    assert list(Decision.objects.values_list("verdict", "supersedes")) == [
        ("undo", decision.pk),
        ("approve", None),
    ]


def test_undo_gives_the_item_that_came_next_back_to_the_queue(project, rita, alice):
    make_review_item(project)
    after = make_review_item(project)
    decision = approve(claim(project, rita), rita)
    claim(project, rita)
    undo(decision=decision, reviewer=rita, now=NOW)
    assert claim(project, alice).item == after


@pytest.mark.parametrize(
    ("who", "later", "twice"), [("alice", 0, False), ("rita", 61, False), ("rita", 0, True)]
)
def test_undo_is_refused(project, rita, alice, who, later, twice):
    make_review_item(project)
    decision = approve(claim(project, rita), rita)
    if twice:
        undo(decision=decision, reviewer=rita, now=NOW)
    with pytest.raises(UndoRefusedError):
        undo(decision=decision, reviewer={"alice": alice, "rita": rita}[who], now=NOW + later * SECOND)


def in_threads(*functions):
    """Runs the functions at the same moment, each on a connection of its own."""
    barrier, results = threading.Barrier(len(functions)), [None] * len(functions)

    def run(index, function):
        try:
            barrier.wait()
            results[index] = function()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_two_browsers_never_get_the_same_item(project, rita, alice):
    for _ in range(10):
        make_review_item(project)
    for _ in range(5):
        leases = in_threads(lambda: claim(project, rita), lambda: claim(project, alice))
        assert leases[0].item != leases[1].item
        for lease, reviewer in zip(leases, (rita, alice), strict=True):
            approve(lease, reviewer)


@pytest.mark.django_db(transaction=True)
def test_two_tabs_of_one_reviewer_get_the_same_item(project, rita):
    for _ in range(3):
        make_review_item(project)
    first, second = in_threads(lambda: claim(project, rita), lambda: claim(project, rita))
    assert (first.item, first.token) == (second.item, second.token)


@pytest.mark.django_db(transaction=True)
def test_two_verdicts_at_once_leave_one_decision(project, rita):
    make_review_item(project)
    lease = claim(project, rita)
    results = in_threads(lambda: approve(lease, rita), lambda: approve(lease, rita))
    assert sorted(type(result).__name__ for result in results) == ["Decision", "LeaseLostError"]
    assert Decision.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_undos_at_once_leave_one_undo(project, rita):
    make_review_item(project)
    decision = approve(claim(project, rita), rita)
    results = in_threads(*[lambda: undo(decision=decision, reviewer=rita, now=NOW)] * 2)
    assert sorted(type(result).__name__ for result in results) == ["Lease", "UndoRefusedError"]

"""Asking for a permit: what is granted, queued and refused, and that asking twice changes nothing."""

import pytest
import redis

from readiness.providers.base import Quota
from tests.limits.harness import Upstream, publish


def fill(upstream: Upstream, **request: object) -> int:
    """Asks until one must wait; returns how many were granted."""
    granted = 0
    while upstream.enqueue(**request)["status"] == "granted":  # type: ignore[arg-type]
        granted += 1
    return granted


def test_first_request_is_granted_without_waiting(upstream: Upstream) -> None:
    answer = upstream.enqueue()

    assert (answer["status"], answer["queued"], answer["queue_ms"]) == ("granted", "0", "0")


def test_full_bucket_grants_its_limit_less_the_jitter_allowance(upstream: Upstream) -> None:
    assert fill(upstream) == 59


def test_waiting_request_is_told_when_to_look_again(upstream: Upstream) -> None:
    fill(upstream)

    # 59 of 60 are spent; another one needs 2 left, one of them kept back: a second's refill away.
    assert upstream.dispatch() == 1000


def test_grant_of_a_waiting_request_goes_to_its_inbox(upstream: Upstream) -> None:
    fill(upstream)
    upstream.now += 1000
    upstream.dispatch()

    assert upstream.messages() == [{"id": "r59", "status": "granted", "queue_ms": "1000", "queued": "1"}]


def test_repeated_enqueue_of_a_granted_request_is_not_charged_again(upstream: Upstream) -> None:
    upstream.enqueue("one")
    again = upstream.enqueue("one")

    assert again["status"] == "granted"
    assert upstream.inspect()["buckets"]["rpm"]["level"] == 59


def test_repeated_enqueue_of_a_waiting_request_does_not_queue_twice(upstream: Upstream) -> None:
    fill(upstream)
    upstream.enqueue("late")
    upstream.enqueue("late")

    assert upstream.inspect()["tiers"]["free"]["waiting"] == 2


def test_every_bucket_must_hold_the_request(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=1000, tpm=1000))

    assert fill(upstream, tokens=300) == 3
    assert upstream.inspect()["buckets"]["rpm"]["level"] == 997


def test_request_that_does_not_fit_takes_nothing(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=1000, tpm=1000))
    upstream.enqueue(tokens=900)
    before = upstream.inspect()["buckets"]
    upstream.enqueue(tokens=900)

    assert upstream.inspect()["buckets"] == before


def test_request_as_large_as_the_whole_limit_is_served(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=1, tpm=1000))

    assert upstream.enqueue(tokens=1000)["status"] == "granted"


def test_request_above_the_whole_limit_is_refused(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    answer = Upstream(redis_server, Quota(tpm=1000)).enqueue(tokens=1001)

    assert (answer["status"], answer["reason"], answer["retry_after_ms"]) == ("refused", "too_large", "0")


def test_request_above_its_tiers_limit_is_refused(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"tpm": 50})
    answer = Upstream(redis_server).enqueue(tokens=51)

    assert answer["reason"] == "too_large_for_tier"


def test_wait_beyond_the_deadline_is_refused_before_queueing(upstream: Upstream) -> None:
    fill(upstream)
    answer = upstream.enqueue(wait_ms=1000)

    # One request of this tenant waits in front of it, so it needs two units and one is left: one second.
    assert answer["status"] == "waiting"
    answer = upstream.enqueue(wait_ms=1000)
    assert (answer["reason"], answer["retry_after_ms"]) == ("would_time_out", "1000")


def test_refusal_is_remembered_for_a_repeated_call(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(tpm=10))
    upstream.enqueue("big", tokens=11)

    assert upstream.enqueue("big", tokens=11)["reason"] == "too_large"
    assert len(upstream.events()) == 1


def test_refusal_is_recorded_without_tokens_or_cost(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(tpm=10))
    upstream.enqueue(tokens=11)
    (event,) = upstream.events()

    assert (event.outcome, event.error_class, event.at_ms) == ("refused", "too_large", int(upstream.now))
    assert (event.input_tokens, event.output_tokens, event.cost_nanos) == (0, 0, 0)


def test_full_queue_refuses(upstream: Upstream) -> None:
    fill(upstream)

    assert upstream.enqueue(most_waiters=1)["reason"] == "queue_full"


def test_unread_events_stop_new_work_instead_of_being_dropped(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.settle("one")
    answer = upstream.enqueue(most_events=1)

    assert answer["reason"] == "recorder_behind"
    assert len(upstream.events()) == 1


def test_missing_tiers_are_asked_for(redis_server: redis.Redis) -> None:
    assert Upstream(redis_server).enqueue()["status"] == "no_tiers"


def test_unlimited_upstream_grants_everything(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota())

    assert {upstream.enqueue()["status"] for _ in range(300)} == {"granted"}


@pytest.mark.parametrize(("limit", "granted"), [(30, 29), (120, 57)])
def test_changed_quota_is_taken_over_without_raising_the_level(
    upstream: Upstream, limit: int, granted: int
) -> None:
    upstream.enqueue()
    upstream.quota = Quota(rpm=limit)

    # 59 of 60 are left. A lowered limit cuts that; a raised one is earned by refill and keeps back more.
    assert fill(upstream) == granted


def test_longest_wait_of_the_tier_counts_when_the_caller_names_none(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"wait_ms": 5000})
    upstream = Upstream(redis_server)

    assert upstream.enqueue(wait_ms=None)["deadline_ms"] == "5000"


def test_concurrency_holds_back_until_a_call_ends(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(concurrency=1))
    upstream.enqueue("first")
    upstream.enqueue("second")
    upstream.settle("first")

    assert upstream.granted() == ["second"]

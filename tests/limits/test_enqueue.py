"""Asking for a permit: what is granted, queued and refused, and that asking twice changes nothing."""

import pytest
import redis

from readiness.providers.base import Quota, WindowKind
from tests.limits.harness import LEASE_MS, Upstream, publish


def fill(upstream: Upstream, **request: object) -> int:
    """Asks until one must wait; returns how many were granted."""
    granted = 0
    while upstream.enqueue(**request)["status"] == "granted":  # type: ignore[arg-type]
        granted += 1
    return granted


def test_first_request_is_granted_without_waiting(upstream: Upstream) -> None:
    answer = upstream.enqueue()

    assert (answer["status"], answer["queue_ms"]) == ("granted", "0")


@pytest.mark.parametrize(("jitter_ms", "granted"), [(0, 60), (500, 60), (1000, 59), (2000, 58)])
def test_full_bucket_grants_its_limit_less_what_jitter_may_cost(
    redis_server: redis.Redis, jitter_ms: int, granted: int
) -> None:
    publish(redis_server, free={})

    # Between grant and arrival the provider may refill by jitter x rate less than we think.
    assert fill(Upstream(redis_server, Quota(rpm=60, jitter_ms=jitter_ms))) == min(
        granted, 60 - (jitter_ms > 0)
    )


def test_waiting_request_is_told_when_to_look_again(upstream: Upstream) -> None:
    fill(upstream)

    # All 60 are spent; the next one comes in a second.
    assert upstream.dispatch() == 1000


def test_grant_of_a_waiting_request_goes_to_its_inbox(upstream: Upstream) -> None:
    fill(upstream)
    upstream.now += 1000
    upstream.dispatch()

    assert upstream.messages() == [{"id": "r60", "status": "granted", "queue_ms": "1000"}]


def test_repeated_enqueue_of_a_granted_request_is_not_charged_again(upstream: Upstream) -> None:
    upstream.enqueue("one")
    again = upstream.enqueue("one")

    assert again["status"] == "granted"
    assert upstream.level("rpm") == 59


def test_repeated_enqueue_of_a_waiting_request_does_not_queue_twice(upstream: Upstream) -> None:
    fill(upstream)
    upstream.enqueue("late")
    upstream.enqueue("late")

    assert upstream.inspect()["lines"]["tier:free"]["waiting"] == 2


def test_every_bucket_must_hold_the_request(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=1000, tpm=1000))

    assert fill(upstream, tokens=300) == 3
    assert upstream.level("rpm") == 997


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


def test_window_is_told_to_who_may_have_to_go_on_alone(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=4, window=WindowKind.FIXED, edge_s=0, jitter_ms=0))
    answers = [upstream.enqueue() for _ in range(5)]

    assert [(answer["left"], answer["full_ms"]) for answer in answers[2:]] == [
        ("0.250", "0"),
        ("0.000", "60000"),
        ("0.000", "60000"),
    ]


def test_request_above_its_tiers_limit_is_refused(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"tpm": 50})
    answer = Upstream(redis_server).enqueue(tokens=51)

    assert answer["reason"] == "too_large_for_tier"


def test_wait_beyond_the_deadline_is_refused_before_queueing(upstream: Upstream) -> None:
    fill(upstream)
    answer = upstream.enqueue(wait_ms=2000)

    # One request waits in front of it, so its turn comes in two seconds.
    assert answer["status"] == "waiting"
    answer = upstream.enqueue(wait_ms=2000)
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


def test_missing_policy_is_asked_for(redis_server: redis.Redis) -> None:
    assert Upstream(redis_server).enqueue()["status"] == "no_policy"


def test_upstream_that_nobody_configured_asks_for_its_quota(upstream: Upstream) -> None:
    args = upstream.ticket("one").to_args(
        lease_ms=LEASE_MS, longest_wait_ms=None, most_waiters=10, most_events=10
    )

    assert upstream.run("enqueue", *args)["status"] == "unconfigured"


def test_unlimited_upstream_grants_everything(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota())

    assert {upstream.enqueue()["status"] for _ in range(300)} == {"granted"}


@pytest.mark.parametrize(("limit", "granted"), [(30, 30), (120, 59)])
def test_changed_quota_is_taken_over_without_raising_the_level(
    upstream: Upstream, limit: int, granted: int
) -> None:
    upstream.enqueue()
    upstream.configure(Quota(rpm=limit, jitter_ms=0))

    # 59 of 60 are left. A lowered limit cuts that; a raised one is earned by refill.
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


def test_tenant_at_its_cap_may_queue_more_while_nobody_else_waits(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"concurrency": 1})
    upstream = Upstream(redis_server)
    for name in ("first", "second", "third"):
        upstream.enqueue(name)

    upstream.settle("first")
    upstream.settle("second")

    assert upstream.granted() == ["second", "third"]

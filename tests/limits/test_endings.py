"""Settlement, cancellation, leases and deadlines."""

import pytest
import redis

from readiness.providers.base import Quota
from tests.limits.harness import CONSTANT_KEYS, LEASE_MS, Upstream, publish


def waiting_behind_one(client: redis.Redis) -> Upstream:
    """``first`` holds the only place, ``second`` waits."""
    publish(client, free={})
    upstream = Upstream(client, Quota(concurrency=1))
    upstream.enqueue("first")
    upstream.enqueue("second")
    return upstream


def test_settlement_writes_the_event_by_the_servers_clock(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.now += 1500
    upstream.settle("one", input_tokens=12, cost_nanos=34)
    (event,) = upstream.events()

    assert (event.event_id, event.version, event.input_tokens, event.cost_nanos) == ("one", 1, 12, 34)
    assert event.at_ms == upstream.now


def test_second_settlement_changes_nothing(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.settle("one")
    answer = upstream.settle("one")

    assert answer["status"] == "repeated"
    assert len(upstream.events()) == 1


def test_settlement_gives_nothing_back_to_the_mirror(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.settle("one", tokens=0)

    assert upstream.level("rpm") == 59


def test_expired_lease_frees_the_place(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    upstream.now += LEASE_MS - 1
    upstream.heartbeat(waiting=("second",))
    upstream.now += 1
    upstream.dispatch()

    assert upstream.granted() == ["second"]


def test_expired_lease_is_recorded_as_an_orphan_with_the_estimate(upstream: Upstream) -> None:
    upstream.enqueue("one", tokens=9)
    upstream.now += LEASE_MS
    upstream.dispatch()
    (event,) = upstream.events()

    assert (event.event_id, event.outcome, event.version) == ("one", "orphaned", 1)
    assert (event.input_tokens, event.output_tokens, event.cost_nanos) == (9, 5, 7)


def test_orphan_is_recorded_once(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.now += LEASE_MS
    upstream.dispatch()
    upstream.heartbeat(in_flight=("one",))
    upstream.now += LEASE_MS
    upstream.dispatch()

    assert len(upstream.events()) == 1


def test_late_settlement_replaces_the_orphan(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.now += LEASE_MS
    upstream.dispatch()
    upstream.settle("one", input_tokens=3)
    late = upstream.events()[-1]

    assert (late.event_id, late.outcome, late.version, late.input_tokens) == ("one", "ok", 2, 3)


def test_settlement_that_redis_knows_nothing_of_is_recorded(upstream: Upstream) -> None:
    upstream.settle("forgotten")

    assert [(event.event_id, event.version) for event in upstream.events()] == [("forgotten", 2)]


def test_heartbeat_keeps_a_lease(upstream: Upstream) -> None:
    upstream.enqueue("one")
    for _ in range(3):
        upstream.now += LEASE_MS - 1
        upstream.heartbeat(in_flight=("one",))

    assert upstream.inspect()["in_flight"] == 1
    assert upstream.events() == []


def test_waiter_past_its_deadline_is_told_and_recorded(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    for _ in range(3):
        upstream.now += 20_000
        upstream.heartbeat(waiting=("second",), in_flight=("first",))

    assert [(m["id"], m["status"], m["reason"]) for m in upstream.messages()] == [
        ("second", "expired", "timed_out")
    ]
    (event,) = upstream.events()
    assert (event.outcome, event.queue_ms, event.cost_nanos) == ("expired", 60_000, 0)


def test_waiter_of_a_dead_process_leaves_the_queue(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    upstream.heartbeat(waiting=("second",), in_flight=("first",))
    upstream.run("register")
    other = Upstream(redis_server, upstream.quota, process="p2")
    other.now = upstream.now
    for _ in range(46):
        other.now += 1000
        other.heartbeat(in_flight=("first",))
    other.settle("first")

    assert [(event.event_id, event.error_class) for event in other.events()] == [
        ("first", ""),
        ("second", "abandoned"),
    ]
    assert other.inspect()["waiting"] == 0


@pytest.mark.parametrize(("reads", "told"), [(True, "granted"), (False, "expired")])
def test_process_that_neither_beats_nor_reads_gets_no_more_grants(
    redis_server: redis.Redis, reads: bool, told: str
) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=60, jitter_ms=0))
    for number in range(60 + 20):
        upstream.enqueue(f"r{number}")
        if number < 60:
            upstream.settle(f"r{number}")
    upstream.run("register")
    other = Upstream(redis_server, upstream.quota, process="p2")
    for _ in range(12):
        other.now = upstream.now = upstream.now + 1000
        other.dispatch()
        found = upstream.messages() if reads else []
    found = found or upstream.messages()

    assert found[-1]["status"] == told


def test_nobody_is_dead_for_not_being_heard_in_a_long_silence_of_redis(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    upstream.run("register")
    other = Upstream(redis_server, upstream.quota, process="p2")
    other.now = upstream.now + 50_000
    other.dispatch()

    assert upstream.granted() == ["second"]


def test_waiter_of_a_process_that_lives_stays(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    upstream.now += 44_000
    upstream.heartbeat(waiting=("second",))

    assert upstream.granted() == ["second"]


def test_cancelled_waiter_leaves_the_queue(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    upstream.enqueue("third")
    upstream.cancel("second")
    upstream.settle("first")

    assert upstream.granted() == ["third"]


def test_cancelled_grant_gives_its_place_back(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    upstream.cancel("first")

    assert upstream.granted() == ["second"]
    assert [(event.outcome, event.cost_nanos) for event in upstream.events()] == [("cancelled", 0)]


def test_enqueue_that_arrives_after_its_cancellation_starts_nothing(upstream: Upstream) -> None:
    upstream.cancel("one")

    assert upstream.enqueue("one")["status"] == "cancelled"
    assert upstream.inspect()["in_flight"] == 0


def test_heartbeat_tells_of_a_grant_whose_message_was_lost(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    upstream.settle("first")
    upstream.messages()

    assert [(m["id"], m["status"]) for m in upstream.heartbeat(waiting=("second",))] == [
        ("second", "granted")
    ]


def test_heartbeat_tells_of_a_request_that_redis_forgot(upstream: Upstream) -> None:
    assert upstream.heartbeat(waiting=("gone",)) == [{"id": "gone", "status": "unknown"}]


def test_calls_in_flight_hold_their_places_again_after_lost_data(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    redis_server.flushdb()
    publish(redis_server, free={})
    upstream.heartbeat(in_flight=("first",))

    assert upstream.enqueue("third")["status"] == "waiting"


def test_place_of_a_call_that_lost_data_forgot_is_free_with_its_settlement(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    redis_server.flushdb()
    publish(redis_server, free={})
    upstream.heartbeat(in_flight=("first",))
    upstream.enqueue("third")
    upstream.settle("first")

    assert upstream.granted() == ["third"]


def test_place_that_nobody_holds_after_lost_data_is_free_after_a_lease(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    redis_server.flushdb()
    publish(redis_server, free={})
    upstream.heartbeat(in_flight=("first",))
    upstream.enqueue("third")
    upstream.now += LEASE_MS
    upstream.dispatch()

    assert upstream.granted() == ["third"]


def test_buckets_grow_from_empty_after_lost_data(upstream: Upstream) -> None:
    upstream.enqueue()
    upstream.client.flushdb()
    publish(upstream.client, free={})
    upstream.now += 1000
    upstream.enqueue()

    assert upstream.level("rpm") == 0


def test_idle_upstream_leaves_no_key_without_an_end(redis_server: redis.Redis) -> None:
    upstream = waiting_behind_one(redis_server)
    upstream.settle("first")
    upstream.settle("second")
    names = set(redis_server.scan_iter()) - CONSTANT_KEYS

    assert [name for name in sorted(names) if redis_server.ttl(name) < 0] == []

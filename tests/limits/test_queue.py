"""Order in the queue: parking, sleeping, ties, debts; and that nobody is left behind."""

from collections import Counter
from typing import Any

import pytest
import redis

from readiness.limits.tickets import Cost, ProviderWord
from readiness.providers.base import Quota
from tests.limits.harness import CONSTANT_KEYS, LEASE_MS, Upstream, publish
from tests.limits.test_fairness import Contest, Source, contest  # noqa: F401 - a fixture


def line(upstream: Upstream, name: str = "free") -> dict[str, Any]:
    found: dict[str, Any] = upstream.inspect()["lines"][f"tier:{name}"]
    return found


def spent(client: redis.Redis, **tiers: Any) -> Upstream:
    """A request a second, none of them left."""
    publish(client, **tiers)
    upstream = Upstream(client)
    for _ in range(60):
        upstream.enqueue(tier="nobody")
    return upstream


def serve(upstream: Upstream, seconds: int) -> list[str]:
    """Who was granted in so many seconds, in order."""
    for _ in range(seconds):
        upstream.now += 1000
        upstream.dispatch()
    return upstream.granted()


# Order ----------------------------------------------------------------------------------------------------


def test_requests_of_a_tenant_are_served_in_their_order(redis_server: redis.Redis) -> None:
    upstream = spent(redis_server, free={})
    for name in "dbca":
        upstream.enqueue(name)

    assert serve(upstream, 4) == ["d", "b", "c", "a"]


def test_clock_that_goes_back_makes_no_wait_negative(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(concurrency=1))
    for name in ("first", "second", "third"):
        upstream.enqueue(name)
    upstream.now -= 20
    upstream.settle("first", word=ProviderWord(kind="ok"))
    upstream.heartbeat(waiting=("third",))
    upstream.cancel("third")

    (granted,) = [message for message in upstream.messages() if message["status"] == "granted"]
    assert granted["queue_ms"] == "0"
    assert all(event.queue_ms >= 0 for event in upstream.events())
    assert upstream.inspect()["hold_ms"] == 0


def test_of_two_that_are_level_the_heavier_line_is_first(redis_server: redis.Redis) -> None:
    upstream = spent(redis_server, free={"weight": 1}, pro={"weight": 4})
    upstream.enqueue("light", tier="free")
    upstream.enqueue("heavy", tier="pro")

    assert serve(upstream, 2) == ["heavy", "light"]


def test_tenant_that_leaves_and_comes_back_keeps_its_debt(redis_server: redis.Redis) -> None:
    upstream = spent(redis_server, free={})
    for name in ("a1", "a2", "b1", "b2"):
        upstream.enqueue(name, tenant=name[0])
    assert serve(upstream, 1) == ["a1"]
    upstream.cancel("a2")
    upstream.enqueue("a3", tenant="a")

    assert serve(upstream, 2) == ["b1", "a3"]


def test_line_that_leaves_and_comes_back_keeps_its_debt(redis_server: redis.Redis) -> None:
    upstream = spent(redis_server, free={}, job={})
    for name in ("f1", "f2", "j1", "j2"):
        upstream.enqueue(name, tier="free" if name[0] == "f" else "job")
    assert serve(upstream, 1) == ["f1"]
    upstream.cancel("f2")
    upstream.enqueue("f3", tier="free")

    assert serve(upstream, 1) == ["j1"]


def test_debts_end_with_the_queue(redis_server: redis.Redis) -> None:
    upstream = spent(redis_server, free={})
    upstream.enqueue("a1", tenant="a")
    assert serve(upstream, 1) == ["a1"]
    upstream.enqueue("a2", tenant="a")
    upstream.enqueue("b1", tenant="b")

    assert serve(upstream, 2) == ["a2", "b1"]


def test_under_declared_tokens_are_paid_back(contest: Contest) -> None:  # noqa: F811
    delivered: Counter[str] = Counter()

    def charged(source: Source) -> int:
        tokens = 5 * source[2] if source[1] == "liar" else source[2]
        delivered[source[1]] += tokens
        return tokens

    contest.charged = charged
    contest.join(("free", "honest", 1000), ("free", "liar", 200))
    contest.run(300)

    assert delivered["liar"] / delivered.total() == pytest.approx(0.5, abs=0.03)


# Calls at once of a tenant --------------------------------------------------------------------------------


def parked(client: redis.Redis, cap: int = 1) -> Upstream:
    """Tenant a has as many calls in flight as it may, and two more waiting."""
    publish(client, free={"concurrency": cap})
    upstream = Upstream(client, Quota(rpm=6000, jitter_ms=0))
    for number in range(cap + 2):
        upstream.enqueue(f"a{number}", tenant="a")
    return upstream


def test_tenant_at_its_cap_is_parked(redis_server: redis.Redis) -> None:
    upstream = parked(redis_server)

    assert (line(upstream)["waiting"], line(upstream)["parked"], line(upstream)["tenants"]) == (2, 1, 1)


def test_parked_tenant_holds_up_nobody(redis_server: redis.Redis) -> None:
    upstream = parked(redis_server)

    assert [upstream.enqueue(tenant=name)["status"] for name in "bc"] == ["granted", "granted"]


def test_end_of_a_call_brings_its_tenant_back(redis_server: redis.Redis) -> None:
    upstream = parked(redis_server)
    upstream.settle("a0")

    assert upstream.granted() == ["a1"]
    assert line(upstream)["parked"] == 1


@pytest.mark.parametrize("how", ["cancel", "orphan"])
def test_call_that_ends_otherwise_brings_its_tenant_back_too(redis_server: redis.Redis, how: str) -> None:
    upstream = parked(redis_server)
    if how == "cancel":
        upstream.cancel("a0")
    else:
        upstream.now += LEASE_MS
        upstream.dispatch()

    assert upstream.granted() == ["a1"]


@pytest.mark.parametrize("concurrency", [{"concurrency": 3}, {}])
def test_raised_cap_reaches_parked_tenants(redis_server: redis.Redis, concurrency: dict[str, int]) -> None:
    upstream = parked(redis_server)
    publish(redis_server, free=concurrency)
    upstream.now += 1001
    upstream.dispatch()

    assert upstream.granted() == ["a1", "a2"]


def test_lowered_cap_lets_calls_end_first(redis_server: redis.Redis) -> None:
    upstream = parked(redis_server, cap=3)
    publish(redis_server, free={"concurrency": 1})
    for name in ("a0", "a1"):
        upstream.settle(name)
    assert upstream.granted() == []
    upstream.settle("a2")

    assert upstream.granted() == ["a3"]


def test_parked_request_past_its_deadline_leaves(redis_server: redis.Redis) -> None:
    upstream = parked(redis_server)
    for _ in range(3):
        upstream.now += 20_001
        upstream.heartbeat(in_flight=("a0",), waiting=("a1", "a2"))

    assert (line(upstream)["waiting"], line(upstream)["parked"]) == (0, 0)
    assert [event.event_id for event in upstream.events()] == ["a1", "a2"]


def test_parked_tenants_turn_is_not_lost(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"concurrency": 1})
    upstream = Upstream(redis_server, Quota(concurrency=2))
    for name in ("a0", "b0", "a1", "b1"):
        upstream.enqueue(name, tenant=name[0])
    upstream.settle("b0")
    upstream.settle("a0")

    assert upstream.granted() == ["b1", "a1"]


# Lines that their own limits hold back --------------------------------------------------------------------


def test_sleeping_line_wakes_when_its_limit_has_room(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"rpm": 60})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    for _ in range(61):
        upstream.enqueue()
    upstream.enqueue("last")

    assert serve(upstream, 1) == ["r60"]
    assert serve(upstream, 1) == ["last"]


def test_sleeping_line_tells_when_to_look_again(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"rpm": 240})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    for _ in range(241):
        upstream.enqueue()

    assert upstream.dispatch() == 250


def test_waiting_request_says_which_limit_held_it_back(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"rpm": 1})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    upstream.enqueue("one")
    upstream.enqueue("two", wait_ms=60_000)
    upstream.feedback("rate", retry_after_ms=60_000)
    upstream.now += 60_001
    upstream.dispatch()

    assert [event.refused_by for event in upstream.events() if event.event_id == "two"] == ["tier:free rpm"]


def test_queue_is_gone_when_everybody_was_served(redis_server: redis.Redis) -> None:
    upstream = parked(redis_server)
    for name in ("a0", "a1", "a2"):
        upstream.settle(name)
    left = {
        name for name in redis_server.scan_iter("limits:{d1}:*") if not name.startswith("limits:{d1}:ticket:")
    }

    assert left == {"limits:{d1}:upstream", "limits:{d1}:quota"}


def test_every_key_of_a_busy_upstream_ends(redis_server: redis.Redis) -> None:
    publish(
        redis_server,
        {"site": {"day": 10**9, "rpm": 100}},
        free={"rpm": 50, "concurrency": 2},
        pro={"weight": 9},
    )
    upstream = Upstream(redis_server, Quota(rpm=10, otpm=1000, concurrency=5, jitter_ms=0))
    upstream.load_money("site")
    for number in range(12):
        upstream.enqueue(f"q{number}", tenant=f"t{number % 3}", tier="pro" if number % 2 else "free")
    upstream.settle("q0", word=ProviderWord(kind="rate", retry_after_s=1), cost=Cost(output_tokens=3))
    names = set(redis_server.scan_iter()) - CONSTANT_KEYS

    assert [name for name in sorted(names) if redis_server.ttl(name) < 0] == []


# Keys that Redis dropped, although it must not ------------------------------------------------------------


@pytest.mark.parametrize(
    "dropped", ["tenants:tier:free", "queue:tier:free|t", "waiters", "lines", "waiting:tier:free"]
)
def test_queue_goes_on_without_a_key_that_redis_dropped(redis_server: redis.Redis, dropped: str) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=60, concurrency=1, jitter_ms=0))
    for number in range(3):
        upstream.enqueue(f"q{number}", wait_ms=10_000)
    redis_server.delete(f"limits:{{d1}}:{dropped}")
    upstream.settle("q0")
    for name in ("q1", "q2"):
        upstream.now += 11_000
        upstream.dispatch()
        upstream.settle(name)
    assert upstream.inspect()["waiting"] == 0
    upstream.enqueue("holds", tenant="u")
    upstream.enqueue("waits", tenant="v")
    upstream.settle("holds")

    assert upstream.granted()[-1] == "waits"


def test_lines_wait_again_when_redis_dropped_their_order(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(concurrency=1, jitter_ms=0))
    for number in range(3):
        upstream.enqueue(f"q{number}")
    redis_server.delete("limits:{d1}:lines")
    upstream.settle("q0")
    upstream.settle("q1")

    assert upstream.granted() == ["q1", "q2"]


# Timers ---------------------------------------------------------------------------------------------------


def queued(client: redis.Redis) -> Upstream:
    """The bucket is empty, ten come back a second, and ``head`` waits for the next."""
    upstream = Upstream(client, Quota(rpm=600, jitter_ms=0))
    for _ in range(600):
        upstream.enqueue()
    assert upstream.enqueue("head")["wait_ms"] == "100"
    return upstream


def test_who_waits_behind_others_of_its_tenant_is_told_of_the_timer_that_is_set(
    redis_server: redis.Redis,
) -> None:
    publish(redis_server, free={})
    upstream = queued(redis_server)
    upstream.now += 30
    same = upstream.enqueue()["wait_ms"]
    upstream.process = "p2"
    other = upstream.enqueue()["wait_ms"]

    assert (same, other) == ("70", "170")


def test_requests_that_keep_coming_do_not_put_the_timer_off(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = queued(redis_server)
    for _ in range(340):
        upstream.now += 0.3
        upstream.enqueue(wait_ms=600_000)

    assert upstream.granted() == ["head"]


def test_timer_is_not_later_than_a_deadline(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(concurrency=1))
    upstream.enqueue()
    head = upstream.enqueue()["wait_ms"]
    hasty = upstream.enqueue(wait_ms=300)["wait_ms"]

    assert (head, hasty) == ("1000", "301")

"""Buckets that copy a provider's accounting: of one upstream, and of the account above several."""

import pytest
import redis

from readiness.limits.tickets import Cost
from readiness.providers.base import Accounting, Quota, WindowKind
from tests.limits.harness import CONSTANT_KEYS, LEASE_MS, Upstream, publish

ANTHROPIC = Quota(itpm=10_000, otpm=1000, accounting=Accounting.ANTHROPIC, jitter_ms=0)


@pytest.fixture
def client(redis_server: redis.Redis) -> redis.Redis:
    publish(redis_server, pro={"weight": 4}, free={"weight": 1})
    return redis_server


def levels(upstream: Upstream) -> dict[str, float]:
    return {bucket["name"]: bucket["level"] for bucket in upstream.inspect()["buckets"]}


def account_levels(upstream: Upstream) -> dict[str, float]:
    return {bucket["name"]: bucket["level"] for bucket in upstream.inspect()["account"]}


# What is counted ------------------------------------------------------------------------------------------


def test_every_unit_is_charged_with_what_it_counts(client: redis.Redis) -> None:
    upstream = Upstream(client, Quota(rpm=10, tpm=1000, itpm=1000, otpm=1000, rpd=100, tpd=5000, jitter_ms=0))
    upstream.enqueue(cost=Cost(tokens=70, input_tokens=50, output_tokens=30))

    assert levels(upstream) == {"rpm": 9, "tpm": 930, "itpm": 950, "otpm": 970, "rpd": 99, "tpd": 4930}


def test_settlement_gives_back_input_that_was_cached_and_output_that_was_not_made(
    client: redis.Redis,
) -> None:
    upstream = Upstream(client, ANTHROPIC)
    upstream.enqueue("one", cost=Cost(input_tokens=4000, output_tokens=800))
    upstream.settle("one", cost=Cost(input_tokens=1000, output_tokens=200))

    assert levels(upstream) == {"itpm": 9000, "otpm": 800}


def test_requests_are_never_given_back_for_a_call_that_was_sent(client: redis.Redis) -> None:
    upstream = Upstream(client, Quota(rpm=10, otpm=1000, accounting=Accounting.ANTHROPIC, jitter_ms=0))
    upstream.enqueue("one", cost=Cost(output_tokens=800))
    upstream.settle("one", cost=Cost(output_tokens=0))

    assert levels(upstream) == {"rpm": 9, "otpm": 1000}


def test_output_is_expected_as_large_as_nine_of_ten_were(client: redis.Redis) -> None:
    upstream = Upstream(client, Quota(otpm=1_000_000, accounting=Accounting.ANTHROPIC, jitter_ms=0))
    for number in range(1, 601):
        name = f"q{number}"
        upstream.enqueue(name, cost=Cost(output_tokens=4000))
        upstream.settle(name, cost=Cost(output_tokens=number * 37 % 100 + 1))
        upstream.now += 100

    assert upstream.inspect()["output"] == pytest.approx(90, abs=8)


def test_learnt_output_lets_more_calls_go_at_once(client: redis.Redis) -> None:
    upstream = Upstream(client, ANTHROPIC)
    upstream.enqueue("one", cost=Cost(output_tokens=1000))
    upstream.settle("one", cost=Cost(output_tokens=100))
    answers = [upstream.enqueue(cost=Cost(output_tokens=1000)) for _ in range(9)]

    assert [answer["status"] for answer in answers] == ["granted"] * 9


def test_expected_output_is_never_above_what_was_declared(client: redis.Redis) -> None:
    upstream = Upstream(client, ANTHROPIC)
    upstream.enqueue("one", cost=Cost(output_tokens=500))
    upstream.settle("one", cost=Cost(output_tokens=400))
    upstream.enqueue("two", cost=Cost(output_tokens=10))

    assert upstream.level("otpm") == 1000 - 400 - 10


def test_failed_call_teaches_nothing_about_output(client: redis.Redis) -> None:
    upstream = Upstream(client, ANTHROPIC)
    upstream.enqueue("one", cost=Cost(output_tokens=500))
    upstream.settle("one", cost=Cost(output_tokens=0), outcome="failed")

    assert "output" not in upstream.inspect()


def test_provider_that_reserves_is_charged_what_was_declared(client: redis.Redis) -> None:
    upstream = Upstream(client, Quota(tpm=1000, jitter_ms=0))
    upstream.enqueue("one", cost=Cost(tokens=500, output_tokens=500))
    upstream.settle("one", cost=Cost(tokens=500, output_tokens=3))
    upstream.enqueue("two", cost=Cost(tokens=400, output_tokens=400))

    assert upstream.level("tpm") == 100


# Calls at once --------------------------------------------------------------------------------------------


def test_no_more_calls_are_in_flight_than_there_are_places(client: redis.Redis) -> None:
    upstream = Upstream(client, Quota(concurrency=3))
    answers = [upstream.enqueue()["status"] for _ in range(5)]

    assert answers == ["granted"] * 3 + ["waiting"] * 2
    assert (upstream.inspect()["in_flight"], upstream.inspect()["places"]) == (3, 3)


def test_queue_that_only_places_bind_shares_them_by_the_time_that_calls_take(client: redis.Redis) -> None:
    publish(client, free={})
    upstream = Upstream(client, Quota(concurrency=1))
    for tenant in ("slow", "quick"):
        for number in range(6):
            upstream.enqueue(f"{tenant}{number}", tenant=tenant, wait_ms=3_600_000)
    held = {"slow": 0.0, "quick": 0.0}
    running = "slow0"
    for _ in range(7):
        tenant = running[:-1]
        taken = 4000 if tenant == "slow" else 1000
        held[tenant] += taken
        for _ in range(taken // 1000):  # as a process's timer does
            upstream.now += 1000
            upstream.dispatch()
        upstream.settle(running)
        (running,) = upstream.granted()

    assert held["quick"] >= held["slow"] - 4000


# The account above ----------------------------------------------------------------------------------------


def siblings(client: redis.Redis, account: Quota, *, each: Quota | None = None) -> tuple[Upstream, Upstream]:
    """Two upstreams of one account."""
    pair = tuple(Upstream(client, each or Quota(jitter_ms=0), name=name) for name in ("d1", "d2"))
    for upstream in pair:
        upstream.account_quota = account
        upstream.configure()
    return pair  # type: ignore[return-value]


def test_first_upstream_of_an_account_is_held_by_its_limits(client: redis.Redis) -> None:
    upstream = Upstream(client, Quota(jitter_ms=0))
    upstream.account_quota = Quota(rpm=2)
    answers = [upstream.enqueue()["status"] for _ in range(3)]

    assert answers == ["granted", "granted", "waiting"]


def test_account_is_charged_by_all_its_upstreams(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(rpm=10, tpm=1000))
    one.enqueue(tokens=300)
    other.enqueue(tokens=500)

    assert account_levels(one) == account_levels(other) == {"rpm": 8, "tpm": 200}


def test_account_that_is_used_up_holds_all_its_upstreams(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(rpm=2))
    for _ in range(2):
        one.enqueue()

    assert other.enqueue()["status"] == "waiting"


def test_own_limit_and_the_accounts_must_both_hold_the_request(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(rpm=10), each=Quota(rpm=1, jitter_ms=0))
    one.enqueue()

    assert one.enqueue()["status"] == "waiting"
    assert other.enqueue()["status"] == "granted"


def test_request_above_the_accounts_limit_is_refused(client: redis.Redis) -> None:
    one, _ = siblings(client, Quota(tpm=1000))
    answer = one.enqueue(tokens=1001)

    assert (answer["reason"], answer["limit"]) == ("too_large", "provider tpm")


def test_large_request_of_one_model_is_not_overtaken_by_small_ones_of_another(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(tpm=6000))
    other.enqueue(tokens=6000)
    one.enqueue("large", tokens=5000, wait_ms=600_000)
    other.now += 1
    for number in range(5):
        other.enqueue(f"small{number}", tokens=1000, wait_ms=600_000)
    overtook = 0
    for _ in range(60):
        other.now += 1000
        one.now = other.now
        other.dispatch()
        overtook += len(other.granted())
        one.dispatch()
        if one.granted():
            break

    assert (overtook, one.inspect()["in_flight"]) == (0, 1)


def test_place_in_front_of_the_account_lasts_as_long_as_somebody_asks_for_it(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(tpm=6000))
    other.enqueue(tokens=6000)
    one.enqueue("large", tokens=5000, wait_ms=600_000)
    one.cancel("large")
    other.now += 11_000
    assert other.enqueue(tokens=1000)["status"] == "granted"


def test_account_counts_the_calls_of_all_its_upstreams_at_once(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(concurrency=2))
    one.enqueue("first")
    other.enqueue("second")
    assert other.enqueue("third")["status"] == "waiting"
    one.settle("first")
    other.dispatch()

    assert other.granted() == ["third"]


def test_place_of_an_account_is_kept_by_heartbeats(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(concurrency=1))
    one.enqueue("long")
    one.now += LEASE_MS - 1
    one.heartbeat(in_flight=("long",))
    other.now = one.now + LEASE_MS - 1

    assert other.enqueue()["status"] == "waiting"


def test_upstream_that_left_its_account_leaves_no_place_taken(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(concurrency=1))
    one.enqueue("long")
    one.account_quota = None
    one.configure()
    one.settle("long")
    other.now += LEASE_MS

    assert other.enqueue()["status"] == "granted"


def test_refund_goes_to_the_account_too(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(otpm=1000, accounting=Accounting.ANTHROPIC))
    one.enqueue("one", cost=Cost(output_tokens=800))
    one.settle("one", cost=Cost(output_tokens=100))

    assert account_levels(other) == {"otpm": 900}


def test_configuring_again_counts_nothing_of_an_account_twice(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(rpm=10, window=WindowKind.SLIDING))
    for _ in range(4):
        one.settle(one.enqueue()["id"])
    for _ in range(3):
        one.now += 1000
        one.configure()
    for _ in range(2):
        one.settle(one.enqueue()["id"])
    one.now += 60_250 - 3000
    other.now = one.now

    assert account_levels(other) == {"rpm": 8}


def test_sliding_window_of_an_account_is_kept_apart_from_the_upstreams_own(client: redis.Redis) -> None:
    sliding = Quota(rpm=10, window=WindowKind.SLIDING, jitter_ms=0)
    one, other = siblings(client, sliding, each=sliding)
    for upstream in (one, other):
        upstream.settle(upstream.enqueue()["id"])
    for second in range(1, 5):
        one.now = other.now = one.now + 1000
        upstream = one if second % 2 else other
        upstream.settle(upstream.enqueue()["id"])
    one.now = other.now = one.now + 60_250 - 4000

    assert account_levels(one) == account_levels(other) == {"rpm": 6}
    assert (one.level("rpm"), other.level("rpm")) == (8, 8)


def test_places_of_an_account_go_to_who_asked_first(client: redis.Redis) -> None:
    one, other = siblings(client, Quota(concurrency=1))
    one.enqueue("held")
    other.enqueue("waits")
    one.now += 1
    for number in range(3):
        one.enqueue(f"more{number}")
    one.settle("held")
    assert one.granted() == []

    other.now = one.now = one.now + 100
    other.dispatch()
    assert other.granted() == ["waits"]
    other.settle("waits")
    one.dispatch()
    assert one.granted() == ["more0"]


def test_account_whose_limits_were_taken_away_holds_nobody(client: redis.Redis) -> None:
    one, _ = siblings(client, Quota(rpm=1))
    one.enqueue()
    one.account_quota = None
    one.configure()

    assert one.enqueue()["status"] == "granted"
    assert "account" not in one.inspect()


def test_account_leaves_no_key_without_an_end(client: redis.Redis) -> None:
    one, _ = siblings(client, Quota(rpm=1, concurrency=1))
    one.enqueue()
    one.enqueue()
    names = set(client.scan_iter()) - CONSTANT_KEYS

    assert [name for name in sorted(names) if client.ttl(name) < 0] == []

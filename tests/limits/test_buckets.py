"""Refill by elapsed time, whatever the clock does."""

from tests.limits.harness import Upstream


def level(upstream: Upstream) -> float:
    value: float = upstream.inspect()["buckets"]["rpm"]["level"]
    return value


def spend(upstream: Upstream, requests: int) -> None:
    for _ in range(requests):
        upstream.enqueue()


def test_bucket_refills_continuously(upstream: Upstream) -> None:
    spend(upstream, 10)
    upstream.now += 2500

    assert level(upstream) == 52.5


def test_clock_that_goes_back_takes_nothing_away(upstream: Upstream) -> None:
    spend(upstream, 10)
    upstream.now -= 30_000
    upstream.dispatch()

    assert level(upstream) == 50


def test_clock_that_went_back_does_not_stop_the_refill(upstream: Upstream) -> None:
    spend(upstream, 10)
    upstream.now -= 30_000
    upstream.dispatch()
    upstream.now += 1000

    assert level(upstream) == 51


def test_jump_forward_fills_one_window_at_most(upstream: Upstream) -> None:
    spend(upstream, 10)
    upstream.now += 86_400_000

    assert level(upstream) == 60


def test_tiers_own_bucket_refills_too(upstream: Upstream) -> None:
    upstream.client.hset("limits:tiers", "free:rpm", 2)
    spend(upstream, 3)
    upstream.now += 29_999
    upstream.heartbeat(waiting=("r2",))
    assert upstream.granted() == []

    upstream.now += 1
    upstream.dispatch()
    assert upstream.granted() == ["r2"]


def test_tiers_own_bucket_is_shared_by_all_upstreams(upstream: Upstream) -> None:
    upstream.client.hset("limits:tiers", "free:rpm", 2)
    other = Upstream(upstream.client, name="d2")
    spend(upstream, 2)

    assert other.enqueue()["status"] == "waiting"

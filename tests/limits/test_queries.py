"""How the queues are shown."""

from collections.abc import Callable

import pytest
import redis

from readiness.limits.queries import NO_REDIS, redis_health, upstream_state
from readiness.limits.tickets import LimiterUnavailableError
from readiness.providers.base import Quota
from tests.limits.harness import Upstream, publish


@pytest.fixture
def busy(redis_server: redis.Redis) -> Upstream:
    """One call of pro in flight, two of free waiting, by the server's own clock."""
    publish(redis_server, pro={"weight": 4}, free={"weight": 1})
    upstream = Upstream(redis_server, Quota(rpm=60, tpm=6000, concurrency=1))
    upstream.follow_server()
    upstream.enqueue(tier="pro", tokens=1000)
    upstream.enqueue(tier="free")
    upstream.enqueue(tier="free")
    return upstream


def test_state_shows_buckets_in_the_order_of_their_units(busy: Upstream) -> None:
    assert [(bucket.unit, bucket.limit) for bucket in upstream_state("d1").buckets] == [
        ("rpm", 60),
        ("tpm", 6000),
    ]


def test_state_counts_who_waits_and_what_is_in_flight(busy: Upstream) -> None:
    state = upstream_state("d1")

    assert (state.waiting, state.in_flight, state.concurrency) == (2, 1, 1)
    assert {line.tier: line.waiting for line in state.lines} == {"free": 2, "pro": 0}


def test_state_shows_what_each_line_was_granted(busy: Upstream) -> None:
    served = {line.tier: line.served for line in upstream_state("d1").lines}

    # 1000 of 6000 tokens a minute are ten seconds of the scarcer bucket.
    assert served == {"free": 0, "pro": 10}


def test_state_shows_a_pause_and_lost_credit(busy: Upstream) -> None:
    busy.feedback("rate", retry_after_ms=60_000)
    busy.feedback("out_of_credit")
    state = upstream_state("d1")

    assert 0 < state.pause_s <= 60
    assert state.out_of_credit


def test_upstream_that_was_never_called_has_no_state(redis_server: redis.Redis) -> None:
    state = upstream_state("d404")

    assert (state.buckets, state.waiting, state.in_flight, state.lines) == ((), 0, 0, ())


def test_looking_changes_nothing(redis_server: redis.Redis) -> None:
    upstream_state("d404")

    assert redis_server.dbsize() == 0


def test_health_is_silent_while_redis_answers(redis_server: redis.Redis) -> None:
    assert redis_health() == ""


def test_health_says_in_words_that_redis_is_gone(redis_gone: Callable[[], None]) -> None:
    redis_gone()

    assert redis_health() == NO_REDIS


def test_state_of_a_redis_that_is_gone_is_not_made_up(redis_gone: Callable[[], None]) -> None:
    redis_gone()
    with pytest.raises(LimiterUnavailableError):
        upstream_state("d1")

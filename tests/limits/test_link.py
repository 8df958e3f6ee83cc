"""A process's link to Redis: the breaker, timers and the inbox, on a server that is stopped and continued."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from readiness.lib.redis import sync_redis
from readiness.limits.link import Link, retry_delays
from readiness.limits.scripts import INBOX_PREFIX, Answer
from readiness.limits.tickets import LimiterUnavailableError
from readiness.providers.base import Quota
from tests.limits.harness import Upstream, publish

PATIENCE_S = 20


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Link, list[str]]]:
    """A link, and what its breaker said."""
    said: list[str] = []
    link = Link(on_down=lambda: said.append("down"), on_up=lambda: said.append("up"))
    try:
        yield link, said
    finally:
        await link.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - a server cannot set an event
            await asyncio.sleep(0.02)


async def test_call_without_an_answer_says_once_that_redis_is_gone(frozen: int) -> None:
    async with opened() as (link, said), asyncio.timeout(PATIENCE_S):
        await link.run("register", "-")
        os.kill(frozen, signal.SIGSTOP)
        calls = [link.run("register", "-") for _ in range(5)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        os.kill(frozen, signal.SIGCONT)

    assert {type(result) for result in results} == {LimiterUnavailableError}
    assert said[:1] == ["down"]
    assert said.count("down") == 1


async def test_calls_fail_at_once_while_redis_is_gone(frozen: int) -> None:
    async with opened() as (link, _), asyncio.timeout(PATIENCE_S):
        os.kill(frozen, signal.SIGSTOP)
        with pytest.raises(LimiterUnavailableError):
            await link.run("register", "-")
        call = asyncio.create_task(link.run("register", "-"))
        for _ in range(5):  # steps of the event loop, none of which waits
            await asyncio.sleep(0)
        assert call.done()
        assert isinstance(call.exception(), LimiterUnavailableError)
        os.kill(frozen, signal.SIGCONT)


async def test_answered_probe_ends_the_fault(frozen: int) -> None:
    async with opened() as (link, said), asyncio.timeout(PATIENCE_S):
        os.kill(frozen, signal.SIGSTOP)
        with pytest.raises(LimiterUnavailableError):
            await link.run("register", "-")
        os.kill(frozen, signal.SIGCONT)
        await link.up.wait()
        answer = await link.run("register", "-")

    assert said == ["down", "up"]
    assert answer["processes"] == "1"


async def test_late_answer_of_a_server_that_answers_probes_cuts_nobody_off(frozen: int) -> None:
    async with opened() as (link, said), asyncio.timeout(PATIENCE_S):
        await link.run("register", "-")
        sync_redis().client_pause(1500, all=False)  # writes wait, a PING does not
        with pytest.raises(LimiterUnavailableError):
            await link.run("register", "-")
        sync_redis().client_unpause()
        await link.run("register", "-")

    assert said == []


async def test_server_that_cannot_write_is_away_until_it_can(frozen: int, tmp_path: Path) -> None:
    in_the_way = tmp_path / "dump.rdb"
    in_the_way.mkdir()
    async with opened() as (link, said), asyncio.timeout(PATIENCE_S):
        await link.run("register", "-")
        sync_redis().config_set("save", "3600 1000000")
        sync_redis().bgsave()
        await until(lambda: sync_redis().info("persistence")["rdb_last_bgsave_status"] == "err")
        with pytest.raises(LimiterUnavailableError):
            await link.run("register", "-")
        assert said == ["down"]
        in_the_way.rmdir()
        sync_redis().bgsave()
        await link.up.wait()
        await link.run("register", "-")


async def test_server_that_became_a_replica_is_away_until_it_is_none(frozen: int) -> None:
    async with opened() as (link, said), asyncio.timeout(PATIENCE_S):
        await link.run("register", "-")
        sync_redis().replicaof("127.0.0.1", "1")  # nobody listens there
        with pytest.raises(LimiterUnavailableError):
            await link.run("register", "-")
        assert said == ["down"]
        sync_redis().replicaof("NO", "ONE")
        await link.up.wait()
        await link.run("register", "-")


async def test_ending_is_tried_until_redis_is_back(frozen: int) -> None:
    async with opened() as (link, _), asyncio.timeout(PATIENCE_S):
        os.kill(frozen, signal.SIGSTOP)
        ending = asyncio.create_task(link.run_until_done("cancel", "d1", "one"))
        await asyncio.sleep(0.6)
        assert not ending.done()
        os.kill(frozen, signal.SIGCONT)
        await ending

    assert sync_redis().exists("limits:{d1}:ticket:one")


async def test_timer_serves_who_waits(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(tpm=6000, jitter_ms=0))
    upstream.follow_server()
    upstream.configure()
    async with opened() as (link, _):
        for name, tokens in (("all", 6000), ("few", 10)):
            args = upstream.ticket(name, tokens=tokens).to_args(
                lease_ms=60_000, longest_wait_ms=60_000, most_waiters=1000, most_events=1000
            )
            await link.run("enqueue", "d1", *args)
        await until(lambda: redis_server.llen(INBOX_PREFIX + link.process) == 1)


async def test_inbox_hands_over_every_message_in_order(redis_server: redis.Redis) -> None:
    heard: list[Answer] = []
    async with opened() as (link, _), asyncio.timeout(PATIENCE_S):
        reading = asyncio.create_task(link.read_inbox(heard.append, lambda: None))
        for number in range(250):
            redis_server.rpush(INBOX_PREFIX + link.process, json.dumps({"id": str(number)}))
        await until(lambda: len(heard) == 250)
        reading.cancel()

    assert [message["id"] for message in heard] == [str(number) for number in range(250)]


async def test_inbox_that_broke_off_tells_that_messages_may_be_lost(frozen: int) -> None:
    lost = asyncio.Event()
    async with opened() as (link, _), asyncio.timeout(PATIENCE_S):
        reading = asyncio.create_task(link.read_inbox(lambda message: None, lost.set))
        await until(lambda: any(client["cmd"] == "blmpop" for client in sync_redis().client_list()))
        sync_redis().client_kill_filter(_type="normal", skipme=True)
        await lost.wait()
        reading.cancel()


def test_tries_are_two_seconds_apart_at_most() -> None:
    delays = [delay for delay, _ in zip(retry_delays(), range(20), strict=False)]

    assert 0.05 <= delays[0] <= 0.1
    assert max(delays) <= 2
    assert all(delay >= 1 for delay in delays[6:])


async def test_link_is_a_witness_of_lost_data_at_each_upstream(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstreams = [Upstream(redis_server, Quota(rpm=10, jitter_ms=0), name=name) for name in ("d1", "d2")]
    async with opened() as (link, _):
        for upstream in upstreams:
            upstream.follow_server()
            upstream.configure()
            await link.run("dispatch", upstream.name)
        redis_server.flushdb()
        for upstream in upstreams:
            upstream.epoch = ""
            upstream.follow_server()
            upstream.configure()  # by somebody who knows nothing of what was before
        for upstream in upstreams:
            await link.run("dispatch", upstream.name)

    assert all(upstream.level("rpm") < 1 for upstream in upstreams)

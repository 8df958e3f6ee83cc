"""Every drill at the scale of a rehearsal: passed by our limiter, failed by a client without one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis

from readiness.inference.dispatch import Call, Door, Result, open_door
from readiness.operations.drills.arena import hold
from readiness.operations.drills.base import DrillRefusedError
from readiness.operations.drills.catalogue import DRILLS
from readiness.operations.drills.crashes import RedisFreeze
from readiness.operations.drills.faults import Billing, Halved, Outage, Overloaded, RetryAfter, Slow, Storm
from readiness.operations.drills.probes import Contention, OverCap, Overload
from readiness.projects.models import Tier
from readiness.providers.base import ChatRequest, RateLimitedError
from readiness.providers.registry import ClientPool
from tests.operations.drills.stages import rehearse, stage_of, unmet

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server", "simulator")]

EXPECTED = {
    Storm: ("lost", "crashes", "answered", "refusals"),
    RetryAfter: ("lost", "crashes", "answered", "paused", "early"),
    Overloaded: ("lost", "crashes", "places", "quota"),
    Billing: ("lost", "crashes", "alert", "reached", "resumed"),
    Slow: ("lost", "crashes", "answered", "in_flight", "refusals"),
    Outage: ("lost", "crashes", "circuit"),
    Halved: ("lost", "crashes", "refusals"),
    Overload: ("lost", "crashes", "refusals", "overflowing"),
    Contention: ("lost", "crashes", "refusals", "wait_ratio", "bottom_share"),
}


@pytest.fixture
def tiers(db: None) -> list[Tier]:
    Tier.objects.all().delete()
    rows = [("pro", "Pro", 4), ("free", "Free", 1)]
    return [
        Tier.objects.create(slug=slug, name=name, weight=weight, longest_wait_seconds=60)
        for slug, name, weight in rows
    ]


@pytest.mark.usefixtures("tiers")
async def test_limiter_keeps_what_drills_expect_of_it() -> None:
    missed = {}
    for few in (list(EXPECTED)[::2], list(EXPECTED)[1::2]):  # all at once, each would wait for the others
        stages = await asyncio.gather(*(rehearse(drill()) for drill in few))
        missed |= {d.name: unmet(stage, *EXPECTED[d]) for d, stage in zip(few, stages, strict=True)}
    assert missed == {drill.name: [] for drill in EXPECTED}


async def test_budgets_refuse_every_call_beyond_them() -> None:
    stage = await rehearse(OverCap())

    assert unmet(stage, *(finding.key for finding in stage.findings if finding.met is not None)) == []
    assert [finding.value for finding in stage.findings if finding.key == "over"] == [4 * 14]


class _PlainClient:
    """What an SDK does: it asks, and asks again after the time that it is told."""

    def __init__(self, pool: ClientPool, door: Door) -> None:
        self._pool, self._door = pool, door

    async def dispatch(self, call: Call) -> Result:
        client = self._pool.get(call.spec)
        request = ChatRequest(model=call.spec.model, messages=call.messages, max_tokens=call.max_tokens)
        while True:
            try:
                reply = await client.chat(request)
            except RateLimitedError as error:
                await asyncio.sleep(error.retry_after_s or 0.1)
                continue
            return Result(
                request_id=call.request_id,
                text=reply.text,
                model=reply.model,
                usage=reply.usage,
                cost_nanos=call.spec.prices.cost_nanos(reply.usage),
                latency_ms=reply.latency_ms,
                ttft_ms=reply.ttft_ms,
                queue_ms=0,
                attempts=1,
                finish_reason=reply.finish_reason,
                simulated=reply.simulated,
            )


@asynccontextmanager
async def no_limiter() -> AsyncIterator[Door]:
    async with ClientPool() as pool, open_door() as door:
        yield _PlainClient(pool, door)  # type: ignore[misc]


@pytest.mark.usefixtures("tiers")
async def test_client_without_a_limiter_fails_the_drills() -> None:
    drills = {
        Storm: ("refusals",),
        Contention: ("refusals", "wait_ratio"),
        Halved: ("refusals",),
    }
    for drill, keys in drills.items():
        # One after the other: such clients take all the time there is.
        stage = await rehearse(drill(), open_door=no_limiter)
        assert len(unmet(stage, *keys)) == len(keys), drill.name


async def test_client_without_a_limiter_spends_beyond_every_budget() -> None:
    keys = ("refused", "refused_key", "refused_user", "refused_project", "refused_site")
    stage = await rehearse(OverCap(), open_door=no_limiter)

    assert len(unmet(stage, *keys)) == len(keys)


async def test_time_line_tells_what_the_limiter_did() -> None:
    stage = await rehearse(Billing())

    assert "The account is out of credit, nothing is sent." in [moment.what for moment in stage.moments]
    assert [moment.at_s for moment in stage.moments] == sorted(moment.at_s for moment in stage.moments)


async def test_redis_that_the_drill_did_not_start_is_never_frozen(redis_server: redis.Redis) -> None:
    drill = RedisFreeze()
    stage = await stage_of(drill)
    with pytest.raises(DrillRefusedError, match="that the drill itself started"):
        await drill.run(stage)


@pytest.mark.parametrize("drill", [Overload(), Contention()])
async def test_drill_about_tiers_needs_them(drill: Overload | Contention) -> None:
    await Tier.objects.all().adelete()
    stage = await stage_of(drill)
    with pytest.raises(DrillRefusedError, match="Add one first"):
        await drill.run(stage)


def test_worker_that_is_killed_leaves_every_call_recorded() -> None:
    outcome = hold("worker-kill", tiers=[], quick=True)

    found = {finding.key: finding for finding in outcome.findings}
    for key in ("lost", "unrecorded", "orphans", "served", "freed"):
        assert found[key].met, key
    assert outcome.moments


def test_redis_that_is_frozen_costs_nobody_a_call() -> None:
    outcome = hold("redis-freeze", tiers=[], quick=True)

    found = {finding.key: finding for finding in outcome.findings}
    for key in ("lost", "crashes", "refusals", "meanwhile"):
        assert found[key].met, f"{key}: {found[key].measured_words}"
    assert [moment.what for moment in outcome.moments if "Redis is" in moment.what] == [
        "Redis is frozen for 2 s.",
        "Redis is back.",
    ]


def test_names_are_those_that_the_catalogue_lists_them_by() -> None:
    assert all(drill.name == name for name, drill in DRILLS.items())

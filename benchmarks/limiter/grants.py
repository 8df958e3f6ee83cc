"""How long a grant takes when quota is free, and decisions per second beside other limiters.

Django must be set up before this is imported.
"""

import asyncio
import json
import os
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from uuid import uuid4

import redis

from benchmarks.limiter.common import percentile
from benchmarks.limiter.direct import TOKENS, four_buckets
from benchmarks.limiter.peer import PEERS, per_second
from benchmarks.stack import report
from readiness.lib.events import UsageEvent
from readiness.lib.redis import async_redis
from readiness.limits.limiter import Limiter
from readiness.limits.link import CALL_TIMEOUT_S
from readiness.limits.tickets import Cost, Outcome, Permit, ProviderWord, Ticket
from readiness.providers.base import Quota
from readiness.telemetry.queries import spent_nanos

ROUND_TRIPS = 3000
WANTED_ROUND_TRIPS = 3
CONCURRENCY = 32
MISSING = {
    "limits": "one limit per call, no four at once; no queue, weights or fairness; no settlement to what was "
    "really used; no leases; no record of the call",
    "pyrate-limiter": "one unit per bucket: a call of 300 tokens writes 300 entries (measured with 1); waits "
    "in the caller, in no order among processes; no weights, settlement, leases or record",
    "throttled-py": "one limit per call; waits in the caller, in no order among processes; no weights, "
    "settlement, leases or record",
}


# One caller -------------------------------------------------------------------------------------------------


def _ticket(quota: Quota) -> Ticket:
    name = uuid4().hex
    return Ticket(
        id=name,
        upstream="waits",
        quota=quota,
        tier="free",
        tenant="t",
        cost=Cost(tokens=TOKENS, input_tokens=TOKENS, output_tokens=1),
        event=UsageEvent(event_id=name, request_id=name, tier="free", input_tokens=TOKENS),
    )


async def _settle(limiter: Limiter, permit: Permit) -> None:
    word = ProviderWord(kind="ok")
    await limiter.settle(permit, Outcome(event=permit.ticket.event, cost=permit.ticket.cost, word=word))


async def waits(server: redis.Redis) -> None:
    """Enqueue to grant through the limiter and a bare round trip in turns; script calls per grant."""
    quota, client = four_buckets(), async_redis(CALL_TIMEOUT_S)
    bare, asked = [], []
    async with Limiter.open(spending=spent_nanos) as limiter:
        await _settle(limiter, await limiter.acquire(_ticket(quota)))
        server.config_resetstat()
        for _ in range(ROUND_TRIPS):
            ticket = _ticket(quota)
            begin = time.perf_counter()
            await client.ping()
            pinged = time.perf_counter()
            permit = await limiter.acquire(ticket)
            asked.append(time.perf_counter() - pinged)
            bare.append(pinged - begin)
            await _settle(limiter, permit)
        calls = int(server.info("commandstats")["cmdstat_fcall"]["calls"])
    await client.aclose()
    round_trips = percentile(asked, 0.5) / percentile(bare, 0.5)
    report(
        "enqueue to grant, quota free",
        grants=ROUND_TRIPS,
        p50_us=round(percentile(asked, 0.5) * 1e6),
        p99_us=round(percentile(asked, 0.99) * 1e6),
        ping_p50_us=round(percentile(bare, 0.5) * 1e6),
        ping_p99_us=round(percentile(bare, 0.99) * 1e6),
        round_trips=round(round_trips, 2),
        wanted_at_most=WANTED_ROUND_TRIPS,
        reached=round_trips <= WANTED_ROUND_TRIPS,
        script_calls_per_grant=round(calls / ROUND_TRIPS, 3),
        wanted_calls=2,
        load_average=os.getloadavg()[0],
    )


# Beside others ----------------------------------------------------------------------------------------------


async def decisions(seconds: float) -> None:
    """Of our limiter in this process: four buckets each, and the same with each call settled and recorded."""
    quota = four_buckets()
    async with Limiter.open(spending=spent_nanos) as limiter:
        permits: list[Permit] = []

        async def decide() -> None:
            permits.append(await limiter.acquire(_ticket(quota)))

        async def decide_and_settle() -> None:
            await _settle(limiter, await limiter.acquire(_ticket(quota)))

        whole = await per_second(decide_and_settle, seconds, CONCURRENCY)
        alone = await per_second(decide, seconds, CONCURRENCY)
        await asyncio.gather(*(_settle(limiter, permit) for permit in permits))
    report(
        "decisions per second, readiness",
        concurrency=CONCURRENCY,
        decisions_per_s=round(alone),
        decided_settled_and_recorded_per_s=round(whole),
        buckets_per_call=4,
        load_average=os.getloadavg()[0],
    )


def peers(port: int, seconds: float) -> None:
    """Other limiters on the same Redis, from an environment of their own that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="readiness-peers-") as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        install = [python, "-m", "pip", "install", "-q", "redis", "hiredis", *PEERS]
        failed = subprocess.run(install, capture_output=True, text=True, check=False)
        if failed.returncode:
            report(
                "decisions per second, others", skipped="pip could not install them: " + failed.stderr[-300:]
            )
            return
        script = str(Path(__file__).with_name("peer.py"))
        for name in PEERS:
            command = [python, script, name, str(port), str(seconds), str(CONCURRENCY)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            told = {"skipped": done.stderr[-300:]} if done.returncode else json.loads(done.stdout)
            report(
                f"decisions per second, {name}",
                concurrency=CONCURRENCY,
                **told,
                buckets_per_call=1,
                does_not=MISSING[name],
                load_average=os.getloadavg()[0],
            )

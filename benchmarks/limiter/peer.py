"""Decisions a second of one other limiter; runs in an environment of its own, which has nothing of ours.

    python benchmarks/limiter/peer.py NAME PORT SECONDS CONCURRENCY

Prints one JSON object: decisions a second, and the version.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

LIMIT = 10**9
"""A minute, so that every decision is a yes."""
Decide = Callable[[], Awaitable[Any]]


async def limits(port: int) -> Decide:
    storage = import_module("limits.aio.storage").RedisStorage(
        f"async+redis://127.0.0.1:{port}/1", implementation="redispy"
    )
    strategy = import_module("limits.aio.strategies").SlidingWindowCounterRateLimiter(storage)
    item = import_module("limits").RateLimitItemPerMinute(LIMIT)
    return lambda: strategy.hit(item, "tenant", cost=300)


async def pyrate_limiter(port: int) -> Decide:
    library = import_module("pyrate_limiter")
    client = import_module("redis.asyncio").Redis(port=port, db=1)
    rates = [library.Rate(LIMIT, 60_000)]
    bucket = await library.RedisBucket.init(rates, client, "tenant")
    limiter = library.Limiter(bucket)
    # Of weight 1: it writes one entry per unit of weight, 300 for a call of 300 tokens.
    return lambda: limiter.try_acquire_async("tenant", 1)


async def throttled_py(port: int) -> Decide:
    library = import_module("throttled.asyncio")
    throttle = library.Throttled(
        using=library.RateLimiterType.TOKEN_BUCKET.value,
        quota=library.per_min(LIMIT, burst=LIMIT),
        store=library.RedisStore(server=f"redis://127.0.0.1:{port}/1"),
    )
    return lambda: throttle.limit("tenant", cost=300)


PEERS = {"limits": limits, "pyrate-limiter": pyrate_limiter, "throttled-py": throttled_py}


async def per_second(decide: Decide, seconds: float, concurrency: int) -> float:
    """Decisions a second of so many callers one after another each."""
    await decide()
    made = 0
    start = time.perf_counter()

    async def caller() -> None:
        nonlocal made
        while time.perf_counter() < start + seconds:
            await decide()
            made += 1

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return made / (time.perf_counter() - start)


async def main(name: str, port: int, seconds: float, concurrency: int) -> None:
    decide = await PEERS[name](port)
    rate = await per_second(decide, seconds, concurrency)
    print(json.dumps({"decisions_per_s": round(rate), "version": version(name)}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))

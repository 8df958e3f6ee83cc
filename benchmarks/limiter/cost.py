"""What a decision of the limiter costs.

    python benchmarks/limiter/cost.py [--part calls]
    python benchmarks/limiter/cost.py --all

Parts: ``calls`` server time of each script; ``core`` grants per second of Redis's CPU; ``waits`` enqueue to
grant, and script calls per grant; ``peers`` decisions per second of other limiters on the same Redis;
``sizes`` server time from 10 to 100,000 waiting requests and to 57,000 tenants, memory, and what stays (takes
minutes).
Quotas have four buckets: requests and tokens per minute and per day.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import redis

from benchmarks.limiter import core, sizes, timings
from benchmarks.stack import Stack, running_stack

PEER_SECONDS = 5.0


def _waits(stack: Stack) -> None:
    from benchmarks.limiter import grants

    asyncio.run(grants.waits(_client(stack)))


def _peers(stack: Stack) -> None:
    from benchmarks.limiter import grants

    asyncio.run(grants.decisions(PEER_SECONDS))
    grants.peers(stack.redis.port, PEER_SECONDS)


def _client(stack: Stack) -> redis.Redis:
    return redis.Redis(port=stack.redis.port, decode_responses=True)


PARTS: dict[str, Callable[[Stack], None]] = {
    "calls": lambda stack: timings.measure(_client(stack)),
    "core": lambda stack: core.measure(_client(stack), stack.redis.port),
    "waits": _waits,
    "peers": _peers,
    "sizes": lambda stack: sizes.measure(_client(stack)),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=tuple(PARTS), default="calls")
    parser.add_argument("--all", action="store_true")
    chosen = parser.parse_args()
    with running_stack() as stack:
        for part in PARTS if chosen.all else (chosen.part,):
            PARTS[part](stack)
            _client(stack).flushall()


if __name__ == "__main__":
    main()

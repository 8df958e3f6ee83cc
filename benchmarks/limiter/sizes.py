"""Server time per call as queue and tenants grow, the memory that they take, and what stays."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import redis

from benchmarks.limiter.direct import (
    LEASE_MS,
    TOKENS,
    Command,
    Direct,
    Timing,
    four_buckets,
    publish,
    tenant_of,
)
from benchmarks.stack import report
from readiness.lib.events import STREAM_KEY
from readiness.limits.scripts import INBOX_PREFIX, prefix

WAITERS = (10, 1_000, 10_000, 100_000)
TENANTS = (10, 1_000, 10_000, 57_000)
"""Half of them parked: at their cap of one call in flight, with another that waits."""
QUEUES = 10
"""Tenants in the series of waiting requests."""
ROUNDS = 7
CALLS = 200
LIMIT = 60_000
STEP_MS = 60_000 * TOKENS / (LIMIT * 1000) * 1.0001
"""Brings back a little more than one request needs."""
START_MS = 1_800_000_000_000.0
WANTED_RATIO = 1.5


@dataclass(slots=True)
class Built:
    """An upstream without quota left, with a queue, on a clock that moves by what one grant needs."""

    upstream: Direct
    tenants: int
    bytes_used: int = 0
    """Memory that the queue took when it was built."""
    in_flight: list[str] = field(default_factory=list)
    """Calls that their tenants wait for, the oldest first."""


def measure(client: redis.Redis) -> None:
    """JSON lines per series: each size, then how much the largest costs beside the smallest."""
    publish(client, {"free": {}, "capped": {"concurrency": 1}, "filler": {}})
    _series(client, "waiters", {size: _waiting(client, size) for size in WAITERS})
    _forget(client)
    _series(client, "tenants", {size: _half_parked(client, size) for size in TENANTS})
    _forget(client)
    _leave_behind(client)


def _forget(client: redis.Redis) -> None:
    client.execute_command("FLUSHALL", "SYNC")  # memory is counted: nothing may be freed later
    publish(client, {"free": {}, "capped": {"concurrency": 1}, "filler": {}})


# Building ---------------------------------------------------------------------------------------------------


def _emptied(client: redis.Redis, name: str, tenants: int) -> Built:
    return Built(Direct.configured(client, name, four_buckets(LIMIT), now_ms=START_MS), tenants)


def _spend(upstream: Direct, tokens: int) -> None:
    """Takes what is left of the minute's tokens."""
    upstream.expect("granted", [upstream.enqueue("filler.0", tier="filler", tokens=tokens)])


def _waiting(client: redis.Redis, size: int) -> Built:
    built = _emptied(client, f"waiters-{size}", QUEUES)
    _spend(built.upstream, LIMIT * 1000)
    before = _memory(client)
    _ask(built, built.upstream.ids(size, QUEUES), "free")
    built.bytes_used = _memory(client) - before
    return built


def _half_parked(client: redis.Redis, size: int) -> Built:
    built = _emptied(client, f"tenants-{size}", size)
    upstream, before = built.upstream, _memory(client)
    first, second = upstream.ids(size, size), upstream.ids(size, size)
    built.in_flight = first[: size // 2]
    upstream.expect("granted", [upstream.enqueue(name, tier="capped") for name in built.in_flight])
    _ask(built, second[: size // 2], "capped")
    _spend(upstream, LIMIT * 1000 - TOKENS * len(built.in_flight))
    _ask(built, second[size // 2 :], "capped")
    _granted(upstream)  # the last one may have had to queue
    built.bytes_used = _memory(client) - before
    return built


def _ask(built: Built, ids: Sequence[str], tier: str) -> None:
    built.upstream.expect("waiting", [built.upstream.enqueue(name, tier=tier) for name in ids])


def _memory(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


# Measuring --------------------------------------------------------------------------------------------------


def _series(client: redis.Redis, what: str, built: dict[int, Built]) -> None:
    """The sizes take turns, so that a load of the machine falls on all of them."""
    timings = {size: Timing(client) for size in built}
    for _ in range(ROUNDS):
        for size, one in built.items():
            tier = "capped" if one.in_flight else "free"
            _round(timings[size], one, tier)
            calls = min(CALLS, size // 2)
            repeated = min(CALLS // calls, 8)
            for _ in range(repeated):
                _granting_round(timings[size], one, tier, calls)
            timings[size].join_last(("dispatch, grants one", "settle"), repeated)
            timings[size].round_of_control()
    for size, timing in timings.items():
        report(
            f"server time by {what}",
            size=size,
            microseconds=timing.medians(),
            fastest=timing.fastest(),
            bytes_each=round(built[size].bytes_used / size),
            **timing.machine(),
        )
    smallest, largest = timings[min(built)], timings[max(built)]
    ratios = _ratios(smallest.fastest(), largest.fastest())
    report(
        f"growth from {min(built)} to {max(built)} {what}",
        of_fastest_rounds=ratios,
        of_medians=_ratios(smallest.medians(), largest.medians()),
        wanted_at_most=WANTED_RATIO,
        reached=max(ratios.values()) <= WANTED_RATIO,
    )


def _ratios(smallest: dict[str, float], largest: dict[str, float]) -> dict[str, float]:
    return {name: round(largest[name] / smallest[name], 2) for name in smallest}


def _round(timing: Timing, built: Built, tier: str) -> None:
    """As many requests come as go."""
    upstream = built.upstream
    ids = upstream.ids(CALLS, built.tenants)
    asked = [upstream.enqueue(name, tier=tier) for name in ids]
    beats = [upstream.command("heartbeat", LEASE_MS, 1, name) for name in ids]
    cancels = [upstream.command("cancel", name) for name in ids]
    timing.round("enqueue, waits", lambda: upstream.expect("waiting", asked))
    timing.round("heartbeat", lambda: upstream.send(beats))
    timing.round("dispatch, nobody fits", lambda: upstream.send([upstream.command("dispatch")] * CALLS))
    timing.round("cancel", lambda: upstream.expect("cancelled", cancels))


def _granting_round(timing: Timing, built: Built, tier: str, calls: int) -> None:
    """The clock's steps grant requests one by one; their tenants ask again, and the oldest calls end."""
    upstream = built.upstream
    timing.round("dispatch, grants one", lambda: upstream.send(_steps(upstream, calls)))
    granted = _granted(upstream)
    if len(granted) != calls:
        raise RuntimeError(f"{len(granted)} of {calls} dispatches granted one")
    again = [one.removeprefix("t0") for one in upstream.ids(calls)]
    _ask(built, [tenant_of(name) + one for name, one in zip(granted, again, strict=True)], tier)
    built.in_flight += granted
    ended, built.in_flight = built.in_flight[:calls], built.in_flight[calls:]
    timing.round("settle", lambda: upstream.expect("settled", [upstream.settle(n, tier=tier) for n in ended]))


def _steps(upstream: Direct, number: int) -> list[Command]:
    commands = []
    for _ in range(number):
        upstream.now_ms = (upstream.now_ms or START_MS) + STEP_MS
        commands.append(upstream.command("dispatch"))
    return commands


def _granted(upstream: Direct) -> list[str]:
    inbox = INBOX_PREFIX + upstream.upstream
    found = [json.loads(message)["id"] for message in upstream.client.lrange(inbox, 0, -1)]
    upstream.client.delete(inbox)
    return found


# What stays -------------------------------------------------------------------------------------------------


def _leave_behind(client: redis.Redis, tenants: int = 5_000) -> None:
    """Tenants that all waited, were served and are done: keys left by kind, and how long they live."""
    start = _memory(client)
    built = _emptied(client, "done", tenants)
    upstream = built.upstream
    _spend(upstream, LIMIT * 1000)
    _ask(built, upstream.ids(tenants, tenants), "free")
    waiting = _memory(client) - start
    upstream.now_ms = START_MS + STEP_MS * tenants
    granted: list[str] = []
    while len(granted) < tenants:
        upstream.send([upstream.command("dispatch")])
        granted += _granted(upstream)
    upstream.expect("settled", [upstream.settle(name) for name in [*granted, "filler.0"]])
    client.delete(STREAM_KEY)  # the recorder has read it
    kinds: dict[str, list[int]] = defaultdict(list)
    for key in client.scan_iter(match=f"{prefix('done')}*", count=1000):
        kind = key.removeprefix(prefix("done")).partition(":")[0]
        kinds[kind].append(int(client.pttl(key)))
    report(
        "after the tenants are done",
        tenants=tenants,
        bytes_per_waiting_tenant=round(waiting / tenants),
        bytes_per_tenant_done=round((_memory(client) - start) / tenants),
        keys={kind: len(lives) for kind, lives in sorted(kinds.items())},
        longest_life_s={kind: round(max(lives) / 1000) for kind, lives in sorted(kinds.items())},
        without_an_end=sum(life < 0 for lives in kinds.values() for life in lives),
    )

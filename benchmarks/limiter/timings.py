"""Server time of each script at four buckets, by Redis's own statistics."""

from collections.abc import Callable

import redis

from benchmarks.limiter.direct import LEASE_MS, Command, Direct, Timing, four_buckets, publish
from benchmarks.stack import report

ROUNDS = 15
CALLS = 400
"""Per round and kind."""
WAITING = 1000
TENANTS = 20
WANTED_US = 60
START_MS = 1_800_000_000_000.0


def measure(client: redis.Redis) -> None:
    """Calls without and with caps on the project, and calls that find a queue; one JSON line."""
    publish(client, {"free": {}})
    timing = Timing(client)
    kinds: list[Callable[[], None]] = [
        _without_queue(client, timing),
        _with_queue(client, timing),
        _granting(client, timing),
    ]
    for _ in range(ROUNDS):
        for kind in kinds:
            kind()
        timing.round_of_control()
    caps = {"rpm": 10**9, "tpm": 10**12, "day": 10**15, "month": 10**16}
    publish(client, {"free": {}}, cap_project_12=caps)
    capped = _capped(client, timing)
    for _ in range(ROUNDS):
        capped()
    found = timing.medians()
    report(
        "server time per call",
        buckets=4,
        rounds=ROUNDS,
        calls_per_round=CALLS,
        waiting=WAITING,
        microseconds=found,
        fastest=timing.fastest(),
        wanted_at_most=WANTED_US,
        reached=max(found.values()) <= WANTED_US,
        **timing.machine(),
    )


def _without_queue(client: redis.Redis, timing: Timing) -> Callable[[], None]:
    upstream = Direct.configured(client, "free", four_buckets())

    def one_round() -> None:
        ids = upstream.ids(CALLS)
        asked, settled = [upstream.enqueue(n) for n in ids], [upstream.settle(n) for n in ids]
        beats = [upstream.command("heartbeat", LEASE_MS, 0, n) for n in ids]
        timing.round("enqueue, granted", lambda: upstream.expect("granted", asked))
        timing.round("heartbeat, one call in flight", lambda: upstream.send(beats))
        timing.round("settle", lambda: upstream.expect("settled", settled))
        timing.round("dispatch, nobody waits", lambda: upstream.send([upstream.command("dispatch")] * CALLS))

    return one_round


def _capped(client: redis.Redis, timing: Timing) -> Callable[[], None]:
    """The project's requests, tokens and money of day and month are capped, too."""
    upstream = Direct.configured(client, "capped", four_buckets())
    upstream.send([upstream.command("load_money", "project:12", 0, 0)])

    def one_round() -> None:
        ids = upstream.ids(CALLS)
        asked, settled = [upstream.enqueue(n) for n in ids], [upstream.settle(n) for n in ids]
        timing.round("enqueue, granted, four caps", lambda: upstream.expect("granted", asked))
        timing.round("settle, four caps", lambda: upstream.expect("settled", settled))

    return one_round


def _with_queue(client: redis.Redis, timing: Timing) -> Callable[[], None]:
    """Requests find ``WAITING`` others; nothing comes back while they are measured."""
    upstream = Direct.configured(client, "full", four_buckets(10), now_ms=START_MS)
    upstream.send(_requests(upstream, 10 + WAITING))

    def one_round() -> None:
        ids = upstream.ids(CALLS, TENANTS)
        asked = [upstream.enqueue(name) for name in ids]
        beats = [upstream.command("heartbeat", LEASE_MS, 1, name) for name in ids]
        timing.round("enqueue, waits", lambda: upstream.expect("waiting", asked))
        timing.round("heartbeat, one waiting", lambda: upstream.send(beats))
        timing.round("dispatch, nobody fits", lambda: upstream.send([upstream.command("dispatch")] * CALLS))
        timing.round("cancel, waiting", lambda: upstream.expect("cancelled", _cancels(upstream, ids)))

    return one_round


def _granting(client: redis.Redis, timing: Timing) -> Callable[[], None]:
    """A queue of ``WAITING``: each call of the clock's next step grants one that waits."""
    limit = 600
    step_ms = 60_000 / limit
    upstream = Direct.configured(client, "moving", four_buckets(limit), now_ms=START_MS)
    upstream.send(_requests(upstream, limit + WAITING))

    def one_round() -> None:
        commands: list[Command] = []
        for _ in range(CALLS):
            assert upstream.now_ms
            upstream.now_ms += step_ms
            commands.append(upstream.command("dispatch"))
        timing.round("dispatch, grants one", lambda: upstream.send(commands))
        granted = client.llen("limits:inbox:moving")
        if granted != CALLS:
            raise RuntimeError(f"{granted} of {CALLS} dispatches granted one")
        client.delete("limits:inbox:moving")
        upstream.send(_requests(upstream, CALLS))

    return one_round


def _requests(upstream: Direct, number: int) -> list[Command]:
    return [upstream.enqueue(name) for name in upstream.ids(number, TENANTS)]


def _cancels(upstream: Direct, ids: list[str]) -> list[Command]:
    return [upstream.command("cancel", name) for name in ids]

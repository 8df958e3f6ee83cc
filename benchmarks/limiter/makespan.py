"""How long so many calls take behind a quota, against the shortest time that the quota allows.

    python benchmarks/limiter/makespan.py [--calls 600 --workers 2 --by limiter]
    python benchmarks/limiter/makespan.py --all

Ideal: max over buckets of (need − starting level) ÷ rate, from full buckets with continuous refill. The
quota fits the number of calls, so that each ideal is 52.5 s: one on requests, and one on tokens that binds
with calls of mixed sizes. Time counts from the first request to the last answer. Beside it the same work with
the official openai SDK's own retry loop: as many processes and calls in flight. Wanted: a ratio of at most
1.02.
"""

import argparse
import itertools
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.limiter.common import Bench, Load, lateness, running_bench, soon
from benchmarks.stack import report

CALLS, WORKERS, BY = (600, 1500, 4000), (1, 2, 8), ("limiter", "sdk")
SHARE = 1.875
"""How many times a full bucket the work is; (1.875 − 1) minutes are ideal."""
IN_FLIGHT = 96
"""Calls waiting or under way, of all processes together."""


def work(calls: int) -> tuple[list[int], dict[str, int]]:
    """Tokens of each call, and the quota: the smallest job is bound by requests, the others by tokens."""
    draw = random.Random(calls)
    if calls == CALLS[0]:
        return [10] * calls, {"rpm": round(calls / SHARE), "tpm": calls * 100}
    sizes = [max(1, round(draw.lognormvariate(5, 0.8))) for _ in range(calls)]
    return sizes, {"rpm": calls, "tpm": round(sum(sizes) / SHARE)}


def ideal_seconds(sizes: list[int], quota: dict[str, int]) -> float:
    needs = {"rpm": len(sizes), "tpm": sum(sizes)}
    return max((needs[name] - limit) / (limit / 60) for name, limit in quota.items())


def measure(bench: Bench, calls: int, workers: int, by: str) -> None:
    sizes, limits = work(calls)
    bench.serve(limits)
    bench.launch(workers, "client" if by == "limiter" else "sdk")
    loads = [
        [
            Load(
                tier="benchmark",
                tenant=f"t{n}",
                in_flight=IN_FLIGHT // workers,
                sizes=sizes[n::workers],
                longest_wait_s=600,
            )
        ]
        for n in range(workers)
    ]
    quota: dict[str, Any] = {**limits, "window": "continuous"}
    rows = bench.run(loads, quota, start_at=soon())
    ledger = bench.ledger()
    ideal = ideal_seconds(sizes, limits)
    took = max(row.answered for row in rows) - min(row.asked for row in rows)
    report(
        "makespan",
        by=by,
        calls=calls,
        workers=workers,
        limits=limits,
        answered=sum(row.status == 200 for row in rows),
        ideal_s=round(ideal, 2),
        took_s=round(took, 2),
        ratio=round(took / ideal, 4),
        upstream_429=ledger["quota_429"],
        requests_sent=ledger["seen"],
        **lateness(rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, choices=CALLS, default=CALLS[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--by", choices=BY, default="limiter")
    parser.add_argument("--all", action="store_true", help="every number of calls and workers, and the SDK")
    chosen = parser.parse_args()
    one = [(chosen.calls, chosen.workers, chosen.by)]
    with running_bench() as bench:
        for calls, workers, by in itertools.product(CALLS, WORKERS, BY) if chosen.all else one:
            measure(bench, calls, workers, by)


if __name__ == "__main__":
    main()

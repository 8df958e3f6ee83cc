"""Who gets how much of a quota that is too small for all, and who waits for whom.

    python benchmarks/limiter/fairness.py [--run shares]
    python benchmarks/limiter/fairness.py --all

The order is judged, not the way to a provider: client processes hold each permit for a sampled time
(log-normal around 0.3 s) instead of calling a service. A tenant's requests come through every process.
Counted are the tokens granted within the minute after the warm-up; no request is larger than 1 % of a window.
"""

import argparse
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.limiter import servegen
from benchmarks.limiter.common import (
    Bench,
    Load,
    Row,
    dealt,
    lateness,
    percentile,
    poisson,
    running_bench,
    soon,
)
from benchmarks.stack import report

PROCESSES = 4
MEAN_TOKENS = 100
RATE = 60
"""Requests of the mean size that the quota takes in a second."""
QUOTA = {"tpm": RATE * MEAN_TOKENS * 60, "jitter_ms": 0}
COUNTED_S = 60
PATIENCE_S = 600
"""Nobody is turned away."""
WEIGHTS = {"enterprise": 16, "pro": 4, "free": 1, "benchmark": 1}
TENANTS = 10
"""Of each tier, or of the one tier of equals."""
QUEUED = 200
"""Requests that each of the equals has waiting at any time."""
LATE_S = 20
EMPTIED_S = 3.0
GAIN = 1.02


def jain(values: Sequence[float]) -> float:
    """Jain's index: 1 when all are equal, 1/n when one has everything."""
    squares = len(values) * sum(value**2 for value in values)
    return sum(values) ** 2 / squares if squares else 0.0


def tokens(rows: Iterable[Row], key: Callable[[Row], str], since: float, until: float) -> dict[str, int]:
    """Tokens granted between two moments."""
    found: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.status == 200 and since <= row.granted < until:
            found[key(row)] += row.size
    return found


def spread(loads: Sequence[Load]) -> list[list[Load]]:
    """Every load divided among the processes."""
    hands: list[list[Load]] = [[] for _ in range(PROCESSES)]
    for load in loads:
        parts = dealt(load.arrivals, PROCESSES)
        for hand, part in zip(hands, parts, strict=True):
            hand.append(replace(load, arrivals=part, in_flight=load.in_flight // PROCESSES))
    return hands


def run(bench: Bench, loads: Sequence[Load], seconds: float | None) -> tuple[list[Row], float]:
    """Rows, and the common start; None: until all is through."""
    bench.serve(QUOTA)
    bench.launch(PROCESSES, "holder")
    start = soon()
    rows = bench.run(
        spread(loads), QUOTA, start_at=start, end_at=start + seconds if seconds is not None else None
    )
    return rows, start


# Tiers ------------------------------------------------------------------------------------------------------


def sized(rate: float, seconds: float, seed: int) -> list[tuple[float, int]]:
    """Poisson arrivals with log-normal sizes, at most 1 % of a window."""
    draw = random.Random(seed)
    most = QUOTA["tpm"] // 100
    sigma = 0.7
    return [
        (at, min(most, max(1, round(MEAN_TOKENS * draw.lognormvariate(-(sigma**2) / 2, sigma)))))
        for at, _ in poisson(rate, seconds, seed=seed)
    ]


def shares(bench: Bench, overload: float = 3.0) -> None:
    """Four tiers, ten tenants each, three times as much asked for as there is, each tier its part of it."""
    warm_up = 60 / (overload - 1) + 10  # what a full bucket holds is used up, and a queue stands
    bench.tiers(**WEIGHTS)
    total, loads = sum(WEIGHTS.values()), []
    for number, (tier, weight) in enumerate(WEIGHTS.items()):
        rate = overload * RATE * weight / total / TENANTS
        for n in range(TENANTS):
            due = sized(rate, warm_up + COUNTED_S, seed=100 * number + n)
            loads.append(Load(tier=tier, tenant=f"{tier}-{n}", arrivals=due, longest_wait_s=PATIENCE_S))
    rows, start = run(bench, loads, warm_up + COUNTED_S)
    since, until = start + warm_up, start + warm_up + COUNTED_S
    by_tier = tokens(rows, lambda row: row.tier, since, until)
    by_tenant = tokens(rows, lambda row: row.tenant, since, until)
    granted = sum(by_tier.values())
    got = {tier: round(100 * by_tier[tier] / granted, 2) for tier in WEIGHTS}
    due_shares = {tier: round(100 * weight / total, 2) for tier, weight in WEIGHTS.items()}
    indices = {tier: round(jain([by_tenant[f"{tier}-{n}"] for n in range(TENANTS)]), 4) for tier in WEIGHTS}
    report(
        "shares of tiers",
        tenants_per_tier=TENANTS,
        overload=overload,
        seconds=COUNTED_S,
        percent=got,
        by_weight=due_shares,
        furthest_points=round(max(abs(got[tier] - due_shares[tier]) for tier in WEIGHTS), 2),
        wanted_points=3,
        jain=indices,
        wanted_jain=0.98,
        use=round(granted / QUOTA["tpm"], 4),
        **lateness(rows),
    )


# Equals -----------------------------------------------------------------------------------------------------


def equals(**special: Any) -> list[Load]:
    """Ten tenants of a tier with queues that never end; the first is special."""
    common: dict[str, Any] = {"in_flight": QUEUED, "size": MEAN_TOKENS, "longest_wait_s": PATIENCE_S}
    others = [Load(tier="free", tenant=f"equal-{n}", **common) for n in range(TENANTS - 1)]
    return [Load(tier="free", tenant="special", **(common | special)), *others]


def compared(got: Mapping[str, int]) -> dict[str, Any]:
    others = [value for tenant, value in got.items() if tenant != "special"]
    mean = sum(others) / len(others)
    return {
        "special_tokens": got["special"],
        "mean_of_equals": round(mean),
        "ratio": round(got["special"] / mean, 4),
        "jain_of_equals": round(jain(others), 4),
    }


def under_declared(bench: Bench) -> None:
    """One tenant tells the limiter a tenth of its tokens; each settlement says the truth."""
    warm_up = 75.0  # a full bucket is worth a minute, and the first calls have been settled
    bench.tiers(free=1)
    rows, start = run(bench, equals(declared_one_in=10), warm_up + COUNTED_S)
    since = start + warm_up
    found = compared(tokens(rows, lambda row: row.tenant, since, since + COUNTED_S))
    report(
        "a tenant declares a tenth of its tokens",
        queued_each=QUEUED,
        seconds=COUNTED_S,
        **found,
        wanted_at_most=GAIN,
        reached=found["ratio"] <= GAIN,
        **lateness(rows),
    )


def late(bench: Bench) -> None:
    """One tenant joins after the others had queues for 20 s."""
    begin = 75.0
    bench.tiers(free=1)
    rows, start = run(bench, equals(starts_s=begin + LATE_S), begin + LATE_S + COUNTED_S)
    joined = start + begin + LATE_S
    found = compared(tokens(rows, lambda row: row.tenant, joined, joined + COUNTED_S))
    total = compared(tokens(rows, lambda row: row.tenant, start + begin, joined + COUNTED_S))
    report(
        "a tenant joins late",
        late_s=LATE_S,
        queued_each=QUEUED,
        seconds=COUNTED_S,
        **found,
        ratio_of_all=total["ratio"],
        wanted_at_most=GAIN,
        reached=found["ratio"] <= GAIN,
        **lateness(rows),
    )


# Real clients -----------------------------------------------------------------------------------------------


def clients(bench: Bench, overload: float = 1.2, seconds: float = 120.0) -> None:
    """ServeGen's clients as tenants, and the same arrivals first come, first served: one tenant for all."""
    by_client = servegen.fits()
    if by_client is None:
        report("real clients", skipped="shared/data/traces is not there")
        return
    bench.tiers(free=1)
    arrivals = servegen.arrivals(by_client, rate=overload * RATE, seconds=seconds, size=MEAN_TOKENS)
    largest = max(arrivals, key=lambda client: len(arrivals[client]))
    p99 = {}
    for order in ("fair", "first come, first served"):
        shared = "" if order == "fair" else "all|"
        loads = [
            Load(
                tier="free", tenant=shared + name, starts_s=EMPTIED_S, arrivals=due, longest_wait_s=PATIENCE_S
            )
            for name, due in arrivals.items()
        ]
        rows, _ = run(bench, [emptying(), *loads], None)
        asked = [row for row in rows if row.tenant != "emptying"]
        others = [row.wait_s for row in asked if row.tenant != shared + largest]
        p99[order] = percentile(others, 0.99)
        report(
            "real clients, " + order,
            group=servegen.GROUP,
            hour_s=servegen.HOUR_S,
            offered=round(len(asked) / seconds / RATE, 3),
            clients=len(arrivals),
            largest_percent=round(100 * len(arrivals[largest]) / len(asked), 1),
            requests=len(others),
            others_p50_s=round(percentile(others, 0.5), 3),
            others_p99_s=round(p99[order], 3),
            largest_p99_s=round(
                percentile([row.wait_s for row in asked if row.tenant == shared + largest], 0.99), 3
            ),
            **lateness(rows),
        )
    fair, plain = p99.values()
    report("real clients, p99 wait of the others", ratio=round(fair / plain, 4) if plain else None)


def emptying() -> Load:
    """Uses up what the bucket holds at the start and what comes back before the clients begin."""
    size = QUOTA["tpm"] // 100
    number = 100 + round(EMPTIED_S * QUOTA["tpm"] / 60 / size)
    return Load(tier="free", tenant="emptying", arrivals=[(0.0, size)] * number, longest_wait_s=PATIENCE_S)


RUNS = {"shares": shares, "under-declared": under_declared, "late": late, "clients": clients}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", choices=tuple(RUNS), default="shares")
    parser.add_argument("--all", action="store_true")
    chosen = parser.parse_args()
    with running_bench() as bench:
        for name in RUNS if chosen.all else (chosen.run,):
            RUNS[name](bench)


if __name__ == "__main__":
    main()

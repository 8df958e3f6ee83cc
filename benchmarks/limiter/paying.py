"""A paying tier beside a benchmark that never ends: who waits for whom, and what the head start costs.

    python benchmarks/limiter/paying.py [--kind continuous --seconds 120]
    python benchmarks/limiter/paying.py --all

Three runs per kind of window: paid traffic alone (Poisson, a tenth of the quota); beside a benchmark with
hundreds of calls waiting at any time; and the same with the head start off, which is what equal weights of
both tiers mean. Counted after a warm-up of two windows. Wanted of the second: the paid tier's p99 wait
at most 0.5 s (continuous) or 3 s (sliding, fixed). What the head start costs is the difference in quota used.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.limiter.common import Bench, Load, Row, lateness, percentile, poisson, running_bench, soon
from benchmarks.stack import report

RPM = 3000
PAID = 0.1
"""Of the quota: 5 requests a second."""
PROCESSES = 8
IN_FLIGHT = 50
"""Of the benchmark, per process."""
WARM_UP_S = 150
"""Two windows, because the burst that the benchmark takes before anybody pays comes back in the second; and a
half, because a burst of thousands that crosses a fixed window's edge would measure the machine: calls that
reach the service later than the jitter allowed for count in the next window."""
KINDS = ("continuous", "sliding", "fixed")
RUNS = {
    # name: weight of the paid tier, whether the benchmark runs
    "paid alone": (4, False),
    "beside a benchmark": (4, True),
    "head start off": (1, True),
}


def loads(seconds: float, *, benchmark: bool) -> list[list[Load]]:
    """Each process has its part of both tiers."""
    rate = PAID * RPM / 60 / PROCESSES
    paid = [
        [Load(tier="pro", tenant=f"p{n}", arrivals=poisson(rate, seconds, seed=n), longest_wait_s=120)]
        for n in range(PROCESSES)
    ]
    if benchmark:
        for n, own in enumerate(paid):
            own.append(Load(tier="benchmark", tenant=f"b{n}", in_flight=IN_FLIGHT, longest_wait_s=600))
    return paid


def measure(bench: Bench, kind: str, run: str, seconds: int) -> None:
    weight, benchmark = RUNS[run]
    bench.tiers(pro=weight, benchmark=1)
    bench.launch(PROCESSES)
    start = soon()
    counted_from = int(start + WARM_UP_S)
    quota: dict[str, Any] = {"rpm": RPM, "window": kind, "edge_s": counted_from % 60}
    bench.serve(quota)
    end = counted_from + seconds
    rows = bench.run(loads(end - start, benchmark=benchmark), quota, start_at=start, end_at=end + 1)
    ledger = bench.ledger()
    admitted = sum(
        second["admitted"] for second in ledger["timeline"]["seconds"] if counted_from <= second["at"] < end
    )
    report(
        "paying",
        kind=kind,
        run=run,
        seconds=seconds,
        rpm=RPM,
        use=round(admitted / (RPM / 60 * seconds), 4),
        upstream_429=ledger["quota_429"],
        **waits_of_paid(rows, counted_from, end),
        **lateness(rows),
    )


def waits_of_paid(rows: list[Row], counted_from: float, until: float) -> dict[str, Any]:
    paid = [row for row in rows if row.tier == "pro" and counted_from <= row.asked < until - 5]
    waits = [row.wait_s for row in paid]
    return {
        "paid": len(paid),
        "paid_unserved": sum(row.status != 200 for row in paid),
        "wait_p50_s": round(percentile(waits, 0.5), 3),
        "wait_p99_s": round(percentile(waits, 0.99), 3),
        "wait_max_s": round(max(waits, default=0.0), 3),
        "benchmark_calls": sum(
            row.tier == "benchmark" and counted_from <= row.answered < until for row in rows
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", choices=KINDS, default="continuous")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--run", choices=tuple(RUNS), help="only this one")
    parser.add_argument("--all", action="store_true", help="every kind of window")
    chosen = parser.parse_args()
    with running_bench() as bench:
        for kind in KINDS if chosen.all else (chosen.kind,):
            for run in (chosen.run,) if chosen.run else RUNS:
                measure(bench, kind, run, chosen.seconds)
                time.sleep(1)


if __name__ == "__main__":
    main()

"""No 429 and no waste: processes that offer half again as much as the quota takes.

    python benchmarks/limiter/safety.py [--kind continuous --jitter-ms 0 --arrivals poisson] [--seconds 60]
    python benchmarks/limiter/safety.py --all

Poisson arrivals of equal requests meet a limit on requests; Azure's code trace, its times scaled and its
tokens as they are, meets one on tokens. The quota's starting level is used up before anything is counted:
continuous refill in the first seconds, a sliding window by one window of the same load, a fixed one by the
window before the one that counts. Use = admitted ÷ (quota × time), from the service's own ledger; its 429s
count over the whole run. Wanted: no 429, and a use of 0.98 (continuous without jitter) or 0.97.
"""

import argparse
import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.limiter.common import (
    Bench,
    Load,
    code_trace,
    dealt,
    lateness,
    percentile,
    poisson,
    running_bench,
    soon,
)
from benchmarks.stack import report

RPM = 1800
"""30 requests a second admitted, 45 offered."""
OVERLOAD = 1.5
WARM_UP_S = 65.0
"""More than a window. With continuous refill the starting level, worth a minute, is asked for on top."""
TAIL_S = 2.0
WAIT_S = 180.0
"""Nobody gives up within the run: what is offered too much waits, so that a lull of the trace is not idle."""
KINDS, JITTERS, ARRIVALS = ("continuous", "sliding", "fixed"), (0, 200), ("poisson", "trace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    kind: str
    jitter_ms: int
    arrivals: str
    seconds: int
    processes: int

    @property
    def wanted_use(self) -> float:
        return 0.98 if self.kind == "continuous" and not self.jitter_ms else 0.97

    def offered(self) -> tuple[dict[str, int], str, list[tuple[float, int]]]:
        """Limit, the ledger's field that counts in it, and arrivals of the whole run."""
        duration = WARM_UP_S + self.seconds + TAIL_S
        if self.arrivals == "poisson":
            limit, per_second = {"rpm": RPM}, OVERLOAD * RPM / 60
            rows = poisson(per_second, duration)
        else:
            rows = scaled_trace(OVERLOAD * RPM / 60, duration)
            per_second = sum(size for _, size in rows) / duration
            limit = {"tpm": round(per_second * 60 / OVERLOAD)}
        field = "admitted" if "rpm" in limit else "charged_tokens"
        if self.kind == "continuous":
            rows = sorted(rows + worth(limit, rows))
        return limit, field, rows


def worth(limit: dict[str, int], rows: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """The first arrivals that together ask for what a full bucket holds."""
    sizes = itertools.accumulate(1 if "rpm" in limit else size for _, size in rows)
    most = next(iter(limit.values()))
    return [row for row, total in zip(rows, sizes, strict=True) if total <= most]


def scaled_trace(per_second: float, duration: float) -> list[tuple[float, int]]:
    """The beginning of the trace with its times divided, so that so many arrive in the duration."""
    trace = code_trace()
    assert trace
    count = round(per_second * duration)
    if count > len(trace):
        raise SystemExit(f"The trace has {len(trace)} requests; a run this long needs {count}.")
    faster = trace[count - 1][0] / duration
    return [(at / faster, size) for at, size in trace[:count]]


def measure(bench: Bench, case: Case) -> None:
    limit, field, arrivals = case.offered()
    bench.launch(case.processes)
    start = soon()
    counted_from = int(start + WARM_UP_S)
    quota: dict[str, Any] = {**limit, "window": case.kind, "edge_s": counted_from % 60}
    bench.serve(quota, jitter_ms=case.jitter_ms)
    loads = [
        [Load(tier="pro", tenant=f"t{n}", arrivals=hand, longest_wait_s=WAIT_S)]
        for n, hand in enumerate(dealt(arrivals, case.processes))
    ]
    rows = bench.run(loads, quota, start_at=start, end_at=counted_from + case.seconds + TAIL_S)
    ledger = bench.ledger()
    admitted = sum(
        second[field]
        for second in ledger["timeline"]["seconds"]
        if counted_from <= second["at"] < counted_from + case.seconds
    )
    allowed = next(iter(limit.values())) / 60 * case.seconds
    waits = [row.wait_s for row in rows if row.status == 200 and row.asked >= counted_from]
    report(
        "safety",
        kind=case.kind,
        jitter_ms=case.jitter_ms,
        arrivals=case.arrivals,
        processes=case.processes,
        seconds=case.seconds,
        limit=limit,
        upstream_429=ledger["quota_429"],
        first_429=ledger["timeline"]["quota_429"][:1],
        use=round(admitted / allowed, 4),
        wanted=case.wanted_use,
        answered=sum(row.status == 200 for row in rows),
        wait_p50_s=round(percentile(waits, 0.5), 2),
        **lateness(rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", choices=KINDS, default="continuous")
    parser.add_argument("--jitter-ms", type=int, default=0)
    parser.add_argument("--arrivals", choices=ARRIVALS, default="poisson")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--all", action="store_true", help="every kind, jitter and arrivals")
    chosen = parser.parse_args()
    one = [(chosen.kind, chosen.jitter_ms, chosen.arrivals)]
    cases = list(itertools.product(KINDS, JITTERS, ARRIVALS)) if chosen.all else one
    with running_bench() as bench:
        for kind, jitter_ms, arrivals in cases:
            if arrivals == "trace" and not code_trace():
                report(
                    "safety", kind=kind, jitter_ms=jitter_ms, arrivals=arrivals, skipped="no trace at hand"
                )
                continue
            case = Case(
                kind=kind,
                jitter_ms=jitter_ms,
                arrivals=arrivals,
                seconds=chosen.seconds,
                processes=chosen.processes,
            )
            measure(bench, case)
            time.sleep(1)


if __name__ == "__main__":
    main()

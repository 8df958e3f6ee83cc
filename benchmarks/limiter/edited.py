"""A tier is edited while a thousand requests wait: what the replay predicted, and what then happened.

    python benchmarks/limiter/edited.py

Three tiers ask for a thousand requests within a second, in mixed order, behind 1,200 requests a minute whose
starting level is used up. Ten seconds later the free tier gets a weight of 16 instead of 1. The replay knows
the arrivals and the edit beforehand; the real run goes through four processes and the simulated service.
"""

import random
import sys
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.limiter.common import Bench, Load, Row, percentile, running_bench, soon
from benchmarks.stack import report

RPM, ASKED_AT_S, EDITED_AT_S = 1200, 5.0, 15.0
ASKED = {"enterprise": 200, "pro": 300, "free": 500}
DRAIN = "benchmark"
WEIGHTS = {"enterprise": 16, "pro": 4, "free": 1, DRAIN: 1}
EDITED = WEIGHTS | {"free": 16}
PROCESSES = 4
WAIT_S = 300.0


def arrivals() -> list[tuple[str, float]]:
    """Tier and second of every request: what empties the bucket, then the thousand."""
    drain = [(DRAIN, n / RPM) for n in range(RPM + 20)]
    asked = [tier for tier, count in ASKED.items() for _ in range(count)]
    random.Random(0).shuffle(asked)
    return drain + [(tier, ASKED_AT_S + n / len(asked)) for n, tier in enumerate(asked)]


def policy(weights: dict[str, int]) -> dict[str, Any]:
    from readiness.limits.policy import published_fields
    from readiness.projects.models import Tier

    tiers = [Tier(pk=n, slug=slug, name=slug, weight=w) for n, (slug, w) in enumerate(weights.items(), 1)]
    return published_fields(tiers, [], [])


def predicted() -> dict[str, tuple[float, float]]:
    """p50 and p99 wait in seconds by tier, as the replay has them."""
    from readiness.limits.private_redis import private_redis
    from readiness.limits.replay import Demand, Edit, Upstream, World, replay
    from readiness.limits.replay_figures import figures_of
    from readiness.limits.tickets import Cost
    from readiness.providers.base import Quota

    began = 1_800_000_000_000
    cost = Cost(tokens=10, input_tokens=1, output_tokens=10)
    demand = [
        Demand(
            at_ms=began + round(at * 1000),
            upstream="d1",
            tier=tier,
            tenant="t",
            cost=cost,
            actual=cost,
            tokens=10,
            nanos=0,
            hold_ms=60,
            longest_wait_ms=round(WAIT_S * 1000),
        )
        for tier, at in arrivals()
    ]
    world = World(
        policy=policy(WEIGHTS),
        upstreams={"d1": Upstream(quota=Quota(rpm=RPM))},
        zone=ZoneInfo("UTC"),
        edit=Edit(at_ms=began + round(EDITED_AT_S * 1000), policy=policy(EDITED)),
    )
    with private_redis() as redis:
        groups = figures_of(replay(redis, demand, world), world).groups
    found = {group.name: group for group in groups}
    return {tier: ((found[tier].p50_ms or 0) / 1000, (found[tier].p99_ms or 0) / 1000) for tier in ASKED}


def real(bench: Bench) -> list[Row]:
    bench.tiers(**WEIGHTS)
    bench.launch(PROCESSES)
    quota = {"rpm": RPM}
    start = soon()
    bench.serve(quota)
    rows = arrivals()
    loads = [
        [
            Load(
                tier=tier,
                longest_wait_s=WAIT_S,
                arrivals=[(at, 10) for name, at in rows[n::PROCESSES] if name == tier],
            )
            for tier in WEIGHTS
        ]
        for n in range(PROCESSES)
    ]
    bench.tell(loads, quota, start_at=start, end_at=start + 90)
    time.sleep(max(0.0, start + EDITED_AT_S - time.time()))
    bench.tiers(**EDITED)
    return bench.collect()


def main() -> None:
    with running_bench() as bench:
        forecast = predicted()
        rows = real(bench)
        refused = bench.ledger()["quota_429"]
    for tier, (p50, p99) in forecast.items():
        waits = [row.wait_s for row in rows if row.tier == tier and row.status == 200]
        report(
            "tier edited while a thousand wait",
            tier=tier,
            requests=len(waits),
            predicted_p50_s=round(p50, 1),
            real_p50_s=round(percentile(waits, 0.5), 1),
            predicted_p99_s=round(p99, 1),
            real_p99_s=round(percentile(waits, 0.99), 1),
            upstream_429=refused,
        )


if __name__ == "__main__":
    main()

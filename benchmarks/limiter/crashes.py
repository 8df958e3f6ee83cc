"""What crashes cost: a process killed at each step of a call and under load, the recorder gone for minutes.

    python benchmarks/limiter/crashes.py steps|load|recorder|all [--minutes 10]

The simulated service's own ledger is the judge. Only processes that the script started are killed.

- steps: a process is killed with SIGKILL while its request waits, while it holds a permit, with its call at
  the service, between the answer and its settlement, and with the settlement on its way. Wanted: after one
  lease no place and no waiting request is left; what reached the service is recorded once, as itself or as
  an orphan.
- load: one of four processes is killed at 150 % of the quota. Wanted: the same of all its calls.
- recorder: it is killed, and started again so many minutes later. Wanted: no record missing and none twice.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.limiter.common import Bench, Load, poisson, running_bench, soon
from benchmarks.limiter.faults import WARM_UP_S, Scene
from benchmarks.stack import report, until

if TYPE_CHECKING:
    from readiness.lib.events import UsageEvent

LEASE_S = 45.0
STEP = "BENCHMARK_VICTIM_STEP"
"""Environment variable of a victim: at which of these it dies."""
STEPS = ("waiting", "holding", "sent", "answered", "settling")
NOT_SENT = ("unsent", "abandoned")


def after_one_lease(model: str) -> dict[str, int]:
    """What the limiter holds of an upstream once everything due was reaped."""
    from readiness.limits.queries import upstream_state
    from readiness.limits.scripts import run

    time.sleep(LEASE_S + 2)
    for _ in range(20):  # each reaps a few
        run("dispatch", model)
    state = upstream_state(model)
    return {"in_flight_after_one_lease": state.in_flight, "waiting_after": state.waiting}


def events(tenant: str = "") -> list["UsageEvent"]:
    """Those of the stream whose tenant's name begins so."""
    from readiness.lib.events import STREAM_KEY, UsageEvent
    from readiness.lib.redis import sync_redis

    found = [UsageEvent.from_entry(fields) for _, fields in sync_redis().xrange(STREAM_KEY)]
    return [event for event in found if event.tenant.startswith(tenant)]


def books(found: Sequence["UsageEvent"]) -> dict[str, int]:
    """How many requests are recorded as what they were and as orphans; ``twice``: events beyond the first."""
    outcomes = Counter(event.outcome for event in found if event.error_class not in NOT_SENT)
    return {
        "records": sum(outcomes[name] for name in ("ok", "failed", "cancelled")),
        "orphans": outcomes["orphaned"],
        "twice": len(found) - len({event.event_id for event in found}),
    }


def steps(bench: Bench, minutes: float) -> None:
    for step in STEPS:
        os.environ[STEP] = step
        bench.launch(1, "victim")
        waits = step == "waiting"  # behind a call that takes the only place for longer than the victim lives
        quota = {"concurrency": 1} if waits else {"rpm": 60}
        bench.serve(quota, ttft_s=5 if waits else 0.5)
        arrivals = [(0.0, 10), (1.0, 10)] if waits else [(0.0, 10)]
        load = Load(tier="pro", tenant=bench.model, arrivals=arrivals, longest_wait_s=20)
        bench.tell([[load]], quota, start_at=soon())
        (process,) = bench._clients.values()
        killed_by = -process.wait(timeout=60)
        bench._clients.clear()
        left = after_one_lease(bench.model)
        seen = bench.ledger()["seen"]
        report(
            "killed at a step", step=step, signal=killed_by, ledger=seen, **books(events(bench.model)), **left
        )


def load(bench: Bench, minutes: float) -> None:
    """The killed process's rows end there, so the ledger is held against the stream's events."""
    scene = Scene(bench, "continuous", WARM_UP_S + 20, processes=4)
    scene.play(lambda: bench.forget(bench.clients()[0]))
    left = after_one_lease(bench.model)
    report("process killed under load", ledger=bench.ledger()["seen"], **books(events()), **left)


def recorder(bench: Bench, minutes: float) -> None:
    from readiness.telemetry.models import RequestRecord

    quota = {"rpm": 1800}
    bench.serve(quota)
    bench.stack.start("recorder", "manage.py", "record_usage")
    bench.launch(2)
    seconds = 60 * minutes + 20
    arrivals = poisson(20, seconds)
    halves = [[Load(tier="pro", arrivals=arrivals[n::2])] for n in range(2)]
    start = soon()
    bench.tell(halves, quota, start_at=start, end_at=start + seconds)
    time.sleep(15)
    bench.stack.kill_session("recorder")
    before = RequestRecord.objects.count()
    rows = bench.collect()
    unread = len(events())
    bench.stack.start("recorder", "manage.py", "record_usage")
    until(lambda: RequestRecord.objects.count() >= len(rows), seconds=120)
    report(
        "recorder gone",
        minutes=minutes,
        records_before=before,
        events_in_the_stream=unread,
        ledger=bench.ledger()["seen"],
        records=RequestRecord.objects.count(),
        requests=RequestRecord.objects.values("event_id").distinct().count(),
    )


def main() -> None:
    scenes: dict[str, Callable[[Bench, float], None]] = {"steps": steps, "load": load, "recorder": recorder}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scene", choices=[*scenes, "all"])
    parser.add_argument("--minutes", type=float, default=10, help="that the recorder is gone")
    chosen = parser.parse_args()
    for name in scenes if chosen.scene == "all" else [chosen.scene]:
        with running_bench() as bench:
            scenes[name](bench, chosen.minutes)


if __name__ == "__main__":
    main()

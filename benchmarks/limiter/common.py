"""What the measurements share: a simulated service with a quota, client processes, their rows, the judge.

The service's own ledger says what was admitted and refused; the clients' rows say who waited how long. Times
are Unix seconds of one machine.
"""

import gzip
import json
import math
import os
import random
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

from benchmarks.stack import ROOT, Stack, running_stack, until

TRACES = ROOT.parent / "shared" / "data" / "traces"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one tenant asks for in one process: arrivals, or so many calls in flight one after another."""

    tier: str
    tenant: str = "t"
    starts_s: float = 0.0
    """After the common start."""
    arrivals: Sequence[tuple[float, int]] = ()
    """Seconds after ``starts_s``, and tokens."""
    in_flight: int = 0
    """Calls waiting or under way at any time; each is followed by the next."""
    sizes: Sequence[int] = ()
    """Tokens of the calls in flight; empty: ``size`` each, until the end."""
    size: int = 10
    longest_wait_s: float | None = None
    """None for the tier's own."""
    declared_one_in: int = 1
    """The limiter is told this fraction of the tokens that are sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a client process is told once it is ready."""

    base_url: str
    quota: Mapping[str, Any]
    """Arguments of ``providers.base.Quota``."""
    start_at: float
    end_at: float | None
    """None: until every load is through."""
    loads: Sequence[Load]
    model: str
    """At the simulated service; the limiter's upstream has the same name."""

    @classmethod
    def read(cls, path: Path) -> Self:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**fields, "loads": [Load(**load) for load in fields["loads"]]})


class Row(NamedTuple):
    """One request as its client saw it; 0 for a moment that never came. Status -1: refused by our limits."""

    tier: str
    tenant: str
    size: int
    asked: float
    granted: float = 0.0
    sent: float = 0.0
    answered: float = 0.0
    status: int = 0
    reason: str = ""

    @property
    def wait_s(self) -> float:
        return self.granted - self.asked


@dataclass(slots=True)
class Bench:
    """The stack of one measurement and its client processes."""

    stack: Stack
    model: str = ""
    """Served last; also the name of the limiter's upstream."""
    _served: int = 0
    _clients: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def serve(self, quota: Mapping[str, Any], *, jitter_ms: int = 0, ttft_s: float = 0.05) -> None:
        """A model of its own at the service with a quota, given as arguments of ``providers.base.Quota``.

        Answers take ``ttft_s``; the way to the quota takes up to ``jitter_ms``.
        """
        self._served += 1
        self.model = f"bench-{self._served}"
        limits = {name: value for name, value in quota.items() if name != "jitter_ms"}
        nothing = dict.fromkeys(("rpm", "tpm", "rpd", "tpd", "itpm", "otpm", "concurrency"))
        profile = {
            "like": "sim-small-2026-06",
            "quota": nothing | limits,
            "jitter_seconds": jitter_ms / 1000,
            "fixed_answer": "Yes.",
            "ttft_seconds": {"median": ttft_s, "sigma": 0},
            "tokens_per_second": {"median": 10_000, "sigma": 0},
            "error_rate": 0,
        }
        self.stack.ask_simulator("PUT", f"/sim/models/{self.model}", profile)

    def tiers(self, **weights: int) -> None:
        """Weights of tiers, made where they do not exist, in force at once."""
        from readiness.limits.services import publish_policy
        from readiness.projects.models import Tier

        for slug, weight in weights.items():
            Tier.objects.update_or_create(slug=slug, defaults={"name": slug, "weight": weight})
        publish_policy()

    def launch(self, processes: int, kind: str = "client") -> None:
        """Starts client processes (modules of this package) and waits until all are ready to be told."""
        for _ in range(processes):
            name = f"{kind}-{self._served}-{len(self._clients)}"
            self._clients[name] = self.stack.start(
                name, "-m", "benchmarks.limiter.start", kind, str(self.file(name, "json"))
            )
        until(lambda: all(self.file(name, "ready").exists() for name in self._clients), seconds=120)

    def run(
        self,
        loads: Sequence[Sequence[Load]],
        quota: Mapping[str, Any],
        *,
        start_at: float,
        end_at: float | None = None,
    ) -> list[Row]:
        """Tells the launched clients, one list of loads each, and returns their rows when all are through."""
        self.tell(loads, quota, start_at=start_at, end_at=end_at)
        return self.collect()

    def tell(
        self,
        loads: Sequence[Sequence[Load]],
        quota: Mapping[str, Any],
        *,
        start_at: float,
        end_at: float | None = None,
    ) -> None:
        """Gives each launched client its part; ``end_at`` None is when all its calls are through."""
        for name, own in zip(self._clients, loads, strict=True):
            spec = Spec(
                base_url=self.stack.simulator,
                quota=quota,
                start_at=start_at,
                end_at=end_at,
                loads=own,
                model=self.model,
            )
            text = json.dumps(asdict(spec))
            draft = self.file(name, "draft")
            draft.write_text(text, encoding="utf-8")
            draft.rename(self.file(name, "json"))  # never seen half-written

    def forget(self, name: str) -> None:
        """Kills a client as a lost machine would; nobody waits for its rows."""
        del self._clients[name]
        self.stack.kill_session(name)

    def clients(self) -> list[str]:
        """Names of those that are waited for."""
        return list(self._clients)

    def collect(self) -> list[Row]:
        """Waits for the clients and reads their rows, in the order of asking. Raises when one failed."""
        lines: list[str] = []
        for name, process in list(self._clients.items()):
            status = process.wait()
            if name not in self._clients:
                continue  # it was killed on purpose
            if status:
                raise RuntimeError(f"{name} failed:\n{self.file(name, 'log').read_text()[-4000:]}")
            lines += self.file(name, "rows").read_text(encoding="utf-8").splitlines()
        self._clients.clear()
        return sorted((Row(*json.loads(line)) for line in lines), key=lambda row: row.asked)

    def file(self, name: str, suffix: str) -> Path:
        return self.stack.folder / f"{name}.{suffix}"

    def ledger(self) -> dict[str, Any]:
        """Totals of the model served last, and ``timeline``: its ``seconds`` and ``quota_429`` one by one."""
        told = self.stack.ask_simulator("GET", "/sim/ledger?timeline=1")
        nothing: dict[str, Any] = {"seconds": [], "quota_429": []}
        return {**told["models"][self.model], "timeline": told["timelines"].get(self.model, nothing)}


@contextmanager
def running_bench() -> Iterator[Bench]:
    """An embedded Redis, a fresh database with the default tiers, and the simulated service."""
    with running_stack() as stack:
        stack.start_simulator()
        yield Bench(stack)


def told(path: Path) -> Spec:
    """In a client: says that it is ready and waits for its specification."""
    path.with_suffix(".ready").touch()
    until(path.exists, seconds=120, every=0.05)
    return Spec.read(path)


def soon() -> float:
    """A whole second from now on: when all processes begin."""
    return float(math.ceil(time.time() + 1))


def poisson(rate: float, seconds: float, *, size: int = 10, seed: int = 0) -> list[tuple[float, int]]:
    """Arrivals of a Poisson process, ``rate`` a second."""
    draw = random.Random(seed)
    at, found = draw.expovariate(rate), []
    while at < seconds:
        found.append((at, size))
        at += draw.expovariate(rate)
    return found


@cache
def code_trace() -> list[tuple[float, int]] | None:
    """Seconds and tokens (input and output) of Azure's code trace of 2023; None where it is not at hand."""
    path = TRACES / "azure2023_code.csv.gz"
    if not path.exists():
        return None
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        next(lines)
        rows = (line.split(",") for line in lines)
        return [(float(at), int(taken) + int(given)) for at, taken, given in rows]


def dealt(arrivals: Sequence[tuple[float, int]], hands: int) -> list[list[tuple[float, int]]]:
    """The arrivals divided among processes, one after another."""
    return [list(arrivals[n::hands]) for n in range(hands)]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed; 0 where there are none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def lateness(rows: Sequence[Row]) -> dict[str, Any]:
    """Whether the clients kept up: p99 from hearing of a grant to sending, and how busy the machine is."""
    late = [row.sent - row.granted for row in rows if row.sent]
    return {"client_late_p99_ms": milliseconds(percentile(late, 0.99)), "load_average": os.getloadavg()[0]}

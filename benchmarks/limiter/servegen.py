"""Arrivals at the rates of real clients: ServeGen's fits of a production service, ten minutes each."""

import csv
import gzip
import math
import random
from collections import defaultdict
from dataclasses import dataclass

from benchmarks.limiter.common import TRACES

GROUP = "language/m-small"
HOUR_S = 72_000
"""The busiest hour of the group's week: 25 clients, the largest with 44 % of the requests."""
STEP_S = 600


@dataclass(frozen=True, slots=True)
class Fit:
    """How one client's requests came in ten minutes: a renewal process."""

    step: int
    rate: float
    """Requests a second, of all servers."""
    gamma: bool
    """Gaps are gamma distributed, else Weibull."""
    shape: float

    def gap(self, draw: random.Random, mean: float) -> float:
        """Seconds to the next request, ``mean`` on average."""
        if self.gamma:
            return draw.gammavariate(self.shape, mean / self.shape)
        return mean * draw.weibullvariate(1, self.shape) / math.gamma(1 + 1 / self.shape)


def fits() -> dict[str, list[Fit]] | None:
    """By client; None where the data is not at hand."""
    path = TRACES / "servegen_client_rates.csv.gz"
    if not path.exists():
        return None
    found: dict[str, list[Fit]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            step = (int(row["t_s"]) - HOUR_S) // STEP_S
            if row["group"] == GROUP and 0 <= step < 3600 // STEP_S:
                fit = Fit(step, float(row["rate_rps"]), row["dist"] == "Gamma", float(row["p1"]))
                found[row["client"]].append(fit)
    return found


def arrivals(
    by_client: dict[str, list[Fit]], *, rate: float, seconds: float, size: int, seed: int = 0
) -> dict[str, list[tuple[float, int]]]:
    """The hour shrunk to ``seconds`` and thinned to ``rate`` requests a second on average, by client.

    Shares among clients, their change from one ten minutes to the next and the burstiness of each stay.
    """
    length = seconds / (3600 / STEP_S)
    total = sum(fit.rate for own in by_client.values() for fit in own) * STEP_S / 3600
    draw = random.Random(seed)
    found: dict[str, list[tuple[float, int]]] = {}
    for client, own in by_client.items():
        times: list[float] = []
        for fit in own:
            mean = total / (fit.rate * rate)
            # A renewal process seen from a random moment: the first gap is under way already.
            at = draw.random() * fit.gap(draw, mean)
            while at < length:
                times.append(fit.step * length + at)
                at += fit.gap(draw, mean)
        found[client] = [(at, size) for at in sorted(times)]
    return found

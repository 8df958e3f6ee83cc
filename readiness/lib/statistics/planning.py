"""How many samples a decision takes: computed before money is spent, and while a criterion is undecided."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from readiness.lib.statistics.base import GATE_LEVEL, Direction, Method, check_counts, check_level
from readiness.lib.statistics.binomial import at_least
from readiness.lib.statistics.rates import normal_quantile
from readiness.lib.statistics.sequences import log_evidence

MAX_PLANNED = 1_000_000
"""Samples beyond which a plan is no plan: the rate is as good as on its threshold."""


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """A sample size that decides, if the rate stays as observed."""

    n: int
    """Samples in all."""
    more: int
    """Samples beyond those at hand."""
    power: float
    """Chance that ``n`` new samples at the observed rate pass; near a half unless more was asked for."""


def zero_failure_n(bound: float, *, level: float = GATE_LEVEL) -> int:
    """The fewest samples, none of them a failure, that prove a failure rate of at most ``bound``.

    The exact upper bound of 0 in n is 1 - (1 - level)^(1/n): 368 samples for 1 % at 97.5 %. For a quantile q
    it is the fewest samples that bound it at all, with ``bound`` = 1 - q.
    """
    check_level(level)
    if not 0 < bound < 1:
        raise ValueError(f"A bound for a rate lies between 0 and 1, not at {bound}.")
    n = max(1, math.floor(math.log1p(-level) / math.log1p(-bound)) - 1)
    while (1 - bound) ** n > 1 - level:
        n += 1
    return n


def n_for_half_width(rate: float, half_width: float, *, level: float = GATE_LEVEL) -> int:
    """The fewest samples at which Wilson's interval around ``rate`` is at most ``half_width`` to each side.

    381 samples for ±0.05 at a rate of 0.5, 245 at 0.8, 141 at 0.9.
    """
    check_level(level)
    if not 0 <= rate <= 1 or not 0 < half_width < 1:
        raise ValueError(f"Give a rate and a half-width between 0 and 1, not {rate} and {half_width}.")
    z2 = normal_quantile(level) ** 2
    # Wilson's half-width is h where h²(n + z²)² = z²(p(1-p)n + z²/4): a quadratic in n.
    linear = 2 * z2 - z2 * rate * (1 - rate) / half_width**2
    constant = z2 * z2 * (1 - 1 / (4 * half_width**2))
    root = (-linear + math.sqrt(max(0.0, linear * linear - 4 * constant))) / 2
    return max(1, math.ceil(root))


def samples_until_decided(
    successes: int,
    n: int,
    threshold: float,
    direction: Direction,
    *,
    method: Method = Method.CLOPPER_PEARSON,
    level: float = GATE_LEVEL,
    power: float | None = None,
) -> SamplePlan | None:
    """The fewest samples whose bound passes ``threshold`` if the rate stays as observed.

    Without ``power``, the plan has the first size at which the observed rate itself passes; samples drawn
    at that rate fall below it about as often as above, which the plan's own ``power`` says. With ``power``,
    the first size at which samples drawn at the observed rate pass with that chance. ``method`` is the
    bound that will judge: Clopper–Pearson for a planned run, the confidence sequence for a growing stream.

    None where no size up to ``MAX_PLANNED`` decides: the observed rate is on the wrong side of the threshold,
    on it, or too close to it.
    """
    check_level(level)
    check_counts(successes, n)
    if n == 0 or not 0 < threshold < 1:
        raise ValueError("A plan needs at least one sample and a threshold between 0 and 1.")
    if direction is Direction.AT_MOST:
        successes, threshold = n - successes, 1 - threshold
    bar = _Bar(threshold, method, level)
    if successes <= threshold * n:
        return None
    if power is None:
        size = _size_at_rate(bar, successes, n)
    else:
        size = _size_for_power(bar, successes / n, n, power)
    if size is None:
        return None
    return SamplePlan(size, size - n, _power(bar, successes / n, size))


@dataclass(frozen=True, slots=True)
class _Bar:
    """A threshold that successes have to be proven above."""

    threshold: float
    method: Method
    level: float

    def passes(self, successes: float, n: int) -> bool:
        """Whether the lower bound reaches the threshold; real successes interpolate, and more never fail."""
        if self.method is Method.CLOPPER_PEARSON:
            return at_least(successes, n, self.threshold) <= 1 - self.level
        if self.method is Method.CONFIDENCE_SEQUENCE:
            return log_evidence(successes, n - successes, self.threshold) >= -math.log1p(-self.level)
        raise ValueError(f"Sizes are not planned for {self.method.label}.")

    def fewest(self, n: int) -> int:
        """The fewest successes in ``n`` that pass; n + 1 where all are too few."""
        low, high = math.floor(self.threshold * n), n + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.passes(middle, n) else (middle, high)
        return high

    def fewest_unrounded(self, n: int) -> float:
        """The real number that ``fewest`` rounds up, to a millionth; ``n`` + 1 where all are too few."""
        if not self.passes(n, n):
            return n + 1
        low, high = self.threshold * n, float(n)
        while high - low > 1e-6:
            middle = (low + high) / 2
            low, high = (low, middle) if self.passes(middle, n) else (middle, high)
        return high


def _power(bar: _Bar, rate: float, n: int) -> float:
    return at_least(bar.fewest(n), n, rate)


def _size_at_rate(bar: _Bar, successes: int, n: int) -> int | None:
    """First size from ``n`` on whose whole successes at the observed rate pass."""
    return _first(
        lambda size: bar.passes(size * successes / n, size),
        lambda size: bar.passes(size * successes // n, size),
        n,
    )


def _size_for_power(bar: _Bar, rate: float, n: int, power: float) -> int | None:
    """First size from ``n`` on that passes with chance ``power``."""
    return _first(
        lambda size: at_least(bar.fewest_unrounded(size), size, rate) >= power,
        lambda size: _power(bar, rate, size) >= power,
        n,
    )


def _first(unrounded: Callable[[int], bool], rounded: Callable[[int], bool], start: int) -> int | None:
    """First size from ``start`` on for which ``rounded`` holds, up to ``MAX_PLANNED``.

    Whole successes make ``rounded`` saw up and down with the size. ``unrounded`` rises once and never holds
    later than ``rounded``, so that a search by halves finds where to begin the scan.
    """
    low, high = start - 1, start
    while not unrounded(high):
        if high >= MAX_PLANNED:
            return None
        low, high = high, min(2 * high, MAX_PLANNED)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if unrounded(middle) else (middle, high)
    return next((size for size in range(high, MAX_PLANNED + 1) if rounded(size)), None)

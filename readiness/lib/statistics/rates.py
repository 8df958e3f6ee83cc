"""Bounds for a rate: successes among independent samples."""

import math
from statistics import NormalDist

from readiness.lib.statistics.base import GATE_LEVEL, Estimate, Interval, Method, check_counts, check_level
from readiness.lib.statistics.binomial import beta_quantile
from readiness.lib.statistics.sequences import confidence_sequence


def normal_quantile(probability: float) -> float:
    """The standard normal's quantile: 1.96 at 0.975."""
    return NormalDist().inv_cdf(probability)


def wilson(successes: int, n: int, *, level: float = GATE_LEVEL) -> Interval:
    """Wilson's score interval (Wilson 1927), for display: on average right, at some rates too short.

    Its coverage falls to .919 at n = 30 where .95 is meant, so nothing is decided by it. [0, 1] without
    samples.
    """
    check_level(level)
    check_counts(successes, n)
    if n == 0:
        return Interval(0.0, 1.0)
    centre, half_width = _wilson_shape(successes / n, n, level)
    return Interval(
        0.0 if successes == 0 else max(0.0, centre - half_width),
        1.0 if successes == n else min(1.0, centre + half_width),
    )


def _wilson_shape(rate: float, n: float, level: float) -> tuple[float, float]:
    """Centre and half-width."""
    z = normal_quantile(level)
    scale = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half_width = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / scale
    return centre, half_width


def clopper_pearson(successes: int, n: int, *, level: float = GATE_LEVEL) -> Interval:
    """The exact bounds (Clopper and Pearson 1934): each is on its side of the truth with at least ``level``.

    Valid for a sample whose size was planned; a stream that is looked at while it grows needs
    ``confidence_sequence``. [0, 1] without samples.
    """
    check_level(level)
    check_counts(successes, n)
    alpha = 1 - level
    return Interval(
        0.0 if successes == 0 else beta_quantile(alpha, successes, n - successes + 1),
        1.0 if successes == n else 1 - beta_quantile(alpha, n - successes, successes + 1),
    )


_INTERVALS = {
    Method.WILSON: wilson,
    Method.CLOPPER_PEARSON: clopper_pearson,
    Method.CONFIDENCE_SEQUENCE: confidence_sequence,
}


def estimate_rate(
    successes: int, n: int, *, method: Method = Method.CLOPPER_PEARSON, level: float = GATE_LEVEL
) -> Estimate:
    """The rate with its bounds. ValueError without samples, or for a method that is not one of a rate."""
    if n < 1:
        raise ValueError("A rate needs at least one sample.")
    if method not in _INTERVALS:
        raise ValueError(f"{method.label} does not give bounds for a rate.")
    interval = _INTERVALS[method](successes, n, level=level)
    return Estimate(successes / n, n, interval.low, interval.high, method)

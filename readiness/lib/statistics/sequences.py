"""Confidence sequences: bounds that stay valid however often a growing stream is looked at."""

import math

from readiness.lib.statistics.base import GATE_LEVEL, Interval, check_counts, check_level
from readiness.lib.statistics.binomial import regularized_beta


def confidence_sequence(successes: int, n: int, *, level: float = GATE_LEVEL) -> Interval:
    """Bounds for a rate that grows sample by sample; each holds at all n at once with at least ``level``.

    Robbins' method of mixtures (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021): against a true
    rate of at most p0, the likelihood ratio averaged over all higher rates is a supermartingale that starts
    at 1, so it ever reaches 1/(1 - level) with a chance of at most 1 - level (Ville's inequality). The
    lower bound is the smallest p0 that was not refuted so; the upper bound is the same with failures for
    successes.
    """
    check_level(level)
    check_counts(successes, n)
    failures = n - successes
    return Interval(_lower(successes, failures, level), 1 - _lower(failures, successes, level))


def log_evidence(successes: float, failures: float, p0: float) -> float:
    """Logarithm of the evidence that the rate is above p0: the mixture's likelihood ratio, 0 < p0 < 1.

    With a uniform mixture over (p0, 1) it is B(s+1, f+1) (1 - I_p0(s+1, f+1)) / (p0^s (1-p0)^(f+1)). It grows
    with successes and falls with p0, for it equals the integral over u in (0, 1) of
    (1 + u (1-p0)/p0)^s (1-u)^f.
    """
    tail = regularized_beta(1 - p0, failures + 1, successes + 1)
    if tail == 0.0:
        return -math.inf
    return (
        math.lgamma(successes + 1)
        + math.lgamma(failures + 1)
        - math.lgamma(successes + failures + 2)
        + math.log(tail)
        - successes * math.log(p0)
        - (failures + 1) * math.log1p(-p0)
    )


def _lower(successes: int, failures: int, level: float) -> float:
    if successes == 0:
        return 0.0
    needed = -math.log1p(-level)
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if log_evidence(successes, failures, middle) >= needed:
            low = middle
        else:
            high = middle
    return low

"""What every estimate of this package is made of."""

from dataclasses import dataclass
from enum import StrEnum

GATE_LEVEL = 0.975
"""One-sided confidence of every bound unless a caller says otherwise; a pair of bounds is a 95 % interval."""


class Direction(StrEnum):
    """On which side of its threshold a value has to be."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"


class Method(StrEnum):
    """How an interval was computed. The number grows when a method's results change."""

    WILSON = "wilson/1"
    CLOPPER_PEARSON = "clopper-pearson/1"
    CONFIDENCE_SEQUENCE = "confidence-sequence/1"
    BOOTSTRAP_BCA = "bootstrap-bca/1"
    BOOTSTRAP_PERCENTILE = "bootstrap-percentile/1"
    ORDER_STATISTIC = "order-statistic/1"
    DELONG = "delong/1"

    @property
    def label(self) -> str:
        """The method's name as people write it."""
        return _LABELS[self]


_LABELS = {
    Method.WILSON: "Wilson score",
    Method.CLOPPER_PEARSON: "Clopper–Pearson (exact)",
    Method.CONFIDENCE_SEQUENCE: "confidence sequence (valid at every look)",
    Method.BOOTSTRAP_BCA: "bootstrap (BCa)",
    Method.BOOTSTRAP_PERCENTILE: "bootstrap (percentile)",
    Method.ORDER_STATISTIC: "order statistics (exact)",
    Method.DELONG: "DeLong",
}


@dataclass(frozen=True, slots=True)
class Interval:
    """Two one-sided confidence bounds. A bound is infinite where the sample is too small to give one."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value measured on ``n`` samples, with the bounds that ``method`` gave it.

    A bound is infinite where ``n`` samples are too few to give one.
    """

    value: float
    n: int
    low: float
    high: float
    method: Method


def check_level(level: float) -> None:
    """Refuse a one-sided level outside [0.5, 1): the two bounds would cross."""
    if not 0.5 <= level < 1:
        raise ValueError(f"A one-sided level is at least 0.5 and below 1, not {level}.")


def check_counts(successes: int, n: int) -> None:
    """Refuse counts that no sample can have."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} samples cannot be: give 0 ≤ successes ≤ n.")

"""Estimates with their uncertainty, in pure Python and numpy.

Every bound is one-sided at ``GATE_LEVEL`` (97.5 %) by default, so that an interval's two bounds make it a
95 % interval. Gates decide by exact bounds or confidence sequences; Wilson's interval is for display.
"""

from readiness.lib.statistics.agreement import Confusion, auroc, cohen_kappa, mcnemar
from readiness.lib.statistics.base import GATE_LEVEL, Direction, Estimate, Interval, Method
from readiness.lib.statistics.planning import (
    SamplePlan,
    n_for_half_width,
    samples_until_decided,
    zero_failure_n,
)
from readiness.lib.statistics.rates import clopper_pearson, estimate_rate, normal_quantile, wilson
from readiness.lib.statistics.samples import estimate_mean, estimate_quantile
from readiness.lib.statistics.sequences import confidence_sequence

__all__ = [
    "GATE_LEVEL",
    "Confusion",
    "Direction",
    "Estimate",
    "Interval",
    "Method",
    "SamplePlan",
    "auroc",
    "clopper_pearson",
    "cohen_kappa",
    "confidence_sequence",
    "estimate_mean",
    "estimate_quantile",
    "estimate_rate",
    "mcnemar",
    "n_for_half_width",
    "normal_quantile",
    "samples_until_decided",
    "wilson",
    "zero_failure_n",
]

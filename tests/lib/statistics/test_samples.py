import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readiness.lib.statistics import Method, estimate_mean, estimate_quantile, zero_failure_n
from readiness.lib.statistics.binomial import at_least, at_most

values = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


def test_mean_bounds_agree_with_reference_values() -> None:
    # scipy.stats.bootstrap(method="BCa", n_resamples=400_000) of SciPy 1.17.1.
    estimate = estimate_mean([number**1.5 for number in range(1, 21)], resamples=50_000)
    assert estimate.value == pytest.approx(38.03983)
    assert (estimate.low, estimate.high) == pytest.approx((26.645, 50.748), rel=0.01)
    assert estimate.method is Method.BOOTSTRAP_BCA


def test_mean_bounds_are_the_same_for_the_same_seed_only() -> None:
    sample = [float(value) for value in range(30)]
    assert estimate_mean(sample, seed=7) == estimate_mean(sample, seed=7)
    assert estimate_mean(sample, seed=7) != estimate_mean(sample, seed=8)


@settings(max_examples=40)
@given(values)
def test_mean_bounds_stay_within_the_sample(sample) -> None:
    estimate = estimate_mean(sample, resamples=200)
    if len(sample) > 1:
        slack = 1e-9 * max(1.0, max(sample))
        assert min(sample) - slack <= estimate.low <= estimate.high <= max(sample) + slack


def test_mean_bounds_cover_the_true_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    draws = rng.normal(10, 2, (300, 60))
    estimates = [estimate_mean(draw, resamples=400) for draw in draws]
    covered = sum(estimate.low <= 10 <= estimate.high for estimate in estimates) / len(estimates)
    assert 0.91 <= covered <= 0.98


def test_mean_of_skewed_values_reaches_further_to_the_long_side() -> None:
    estimate = estimate_mean([1.0] * 40 + [2.0] * 8 + [30.0] * 2)
    assert estimate.high - estimate.value > 1.5 * (estimate.value - estimate.low)


def test_mean_of_a_large_sample_is_drawn_in_blocks_with_the_same_result() -> None:
    sample = np.random.default_rng(1).exponential(1, 5_000)
    estimate = estimate_mean(sample, resamples=1_000)
    normal = 1.96 * sample.std(ddof=1) / math.sqrt(len(sample))
    assert (estimate.high - estimate.low) / 2 == pytest.approx(normal, rel=0.15)


def test_mean_of_one_value_is_unbounded() -> None:
    estimate = estimate_mean([3.0])
    assert (estimate.value, estimate.low, estimate.high) == (3.0, -math.inf, math.inf)


def test_mean_of_equal_values_has_no_width() -> None:
    estimate = estimate_mean([2.5] * 9)
    assert (estimate.low, estimate.high) == (2.5, 2.5)


@pytest.mark.parametrize("estimate", [estimate_mean, lambda sample: estimate_quantile(sample, 0.5)])
@pytest.mark.parametrize("sample", [[], [1.0, math.nan], [math.inf]])
def test_estimate_of_nothing_or_of_no_number_is_refused(estimate, sample) -> None:
    with pytest.raises(ValueError, match="finite"):
        estimate(sample)


@pytest.mark.parametrize(("q", "expected"), [(0.5, 50), (0.95, 95), (0.01, 1), (0.991, 100)])
def test_quantile_is_the_smallest_value_with_that_share_below(q, expected) -> None:
    assert estimate_quantile(range(1, 101), q).value == expected


def test_quantile_bounds_of_a_hundred_values_are_the_tabulated_ranks() -> None:
    # The 95 % interval of a median of 100 runs from the 40th to the 61st value (Conover 1999, table A3).
    estimate = estimate_quantile(range(1, 101), 0.5)
    assert (estimate.low, estimate.high, estimate.method) == (40, 61, Method.ORDER_STATISTIC)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("n", [20, 100, 250])
def test_quantile_bounds_are_the_tightest_ranks_that_hold_the_level(n, q) -> None:
    estimate = estimate_quantile(range(1, n + 1), q)
    if estimate.low > -math.inf:
        assert at_least(estimate.low, n, q) >= 0.975
    assert at_least(max(estimate.low, 0) + 1, n, q) < 0.975
    if estimate.high < math.inf:
        assert at_most(estimate.high - 1, n, q) >= 0.975
        assert at_most(estimate.high - 2, n, q) < 0.975


def test_quantile_has_an_upper_bound_from_the_size_on_that_zero_failures_need() -> None:
    n = zero_failure_n(0.05)
    assert estimate_quantile(range(n - 1), 0.95).high == math.inf
    assert estimate_quantile(range(n), 0.95).high == n - 1


@given(values, st.sampled_from([0.5, 0.95]))
def test_quantile_lies_within_its_bounds_whatever_the_order(sample, q) -> None:
    estimate = estimate_quantile(sample, q)
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate_quantile(sorted(sample, reverse=True), q) == estimate


@pytest.mark.parametrize("q", [0, 1, 95])
def test_quantile_outside_zero_and_one_is_refused(q) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        estimate_quantile([1.0], q)

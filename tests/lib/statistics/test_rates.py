import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.statistics import Method, clopper_pearson, estimate_rate, normal_quantile, wilson

counts = st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))

# scipy.stats.binomtest(...).proportion_ci(0.95) of SciPy 1.17.1: exact low and high, Wilson low and high.
REFERENCE = [
    (0, 10, 0.0, 0.308497108, 0.0, 0.2775328),
    (10, 10, 0.691502892, 1.0, 0.7224672, 1.0),
    (1, 20, 0.001265089, 0.248732763, 0.008881449, 0.236131193),
    (3, 200, 0.003104108, 0.043208282, 0.005114238, 0.043165729),
    (85, 100, 0.7646925, 0.913545614, 0.767164404, 0.906940147),
    (839, 900, 0.913784758, 0.947762214, 0.913895349, 0.94687508),
]


def _coverage(interval, n: int, p: float) -> tuple[float, float]:
    """Exact chances that the lower bound is at most p and that the upper one is at least p."""
    weights = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    bounds = [interval(k, n) for k in range(n + 1)]
    below = math.fsum(w for w, b in zip(weights, bounds, strict=True) if b.low <= p)
    above = math.fsum(w for w, b in zip(weights, bounds, strict=True) if b.high >= p)
    return below, above


def test_normal_quantile_of_the_gate_level_is_the_well_known_one() -> None:
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054)


@pytest.mark.parametrize(("successes", "n", "low", "high", "_wilson_low", "_wilson_high"), REFERENCE)
def test_clopper_pearson_agrees_with_reference_values(
    successes, n, low, high, _wilson_low, _wilson_high
) -> None:
    interval = clopper_pearson(successes, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-8)


@pytest.mark.parametrize(("successes", "n", "_low", "_high", "low", "high"), REFERENCE)
def test_wilson_agrees_with_reference_values(successes, n, _low, _high, low, high) -> None:
    interval = wilson(successes, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-8)


@pytest.mark.parametrize("n", [5, 30, 73])
@pytest.mark.parametrize("p", [0.01, 0.05, 0.2, 0.5, 0.8, 0.97])
def test_clopper_pearson_covers_each_side_with_its_level(n, p) -> None:
    below, above = _coverage(clopper_pearson, n, p)
    assert below >= 0.975 - 1e-12
    assert above >= 0.975 - 1e-12


def test_wilson_covers_too_little_at_some_rate() -> None:
    """The reason why no gate decides by it: at n = 30 it falls short of 95 %."""
    coverages = [sum(_coverage(wilson, 30, step / 1000)) - 1 for step in range(5, 500, 5)]
    assert min(coverages) < 0.93


@given(counts)
def test_clopper_pearson_holds_the_rate_and_mirrors_failures(count) -> None:
    successes, n = count
    interval, mirrored = clopper_pearson(successes, n), clopper_pearson(n - successes, n)
    assert interval.low <= successes / n <= interval.high
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - interval.high, 1 - interval.low), abs=1e-9)


@given(st.integers(2, 500).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_clopper_pearson_rises_with_successes(count) -> None:
    successes, n = count
    assert clopper_pearson(successes, n).low < clopper_pearson(successes + 1, n).low
    assert clopper_pearson(successes, n).high < clopper_pearson(successes + 1, n).high


@given(counts)
def test_wilson_stays_within_the_possible(count) -> None:
    interval = wilson(*count)
    assert 0 <= interval.low <= count[0] / count[1] <= interval.high <= 1


@given(counts, st.floats(0.6, 0.94))
def test_higher_level_widens_both_intervals(count, level) -> None:
    for interval in (clopper_pearson, wilson):
        narrow, wide = interval(*count, level=level), interval(*count, level=0.99)
        assert wide.low <= narrow.low
        assert narrow.high <= wide.high


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_nothing_measured_leaves_everything_possible(interval) -> None:
    assert (interval(0, 0).low, interval(0, 0).high) == (0, 1)


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (0, -1)])
def test_impossible_counts_are_refused(successes, n) -> None:
    with pytest.raises(ValueError, match="0 ≤ successes ≤ n"):
        clopper_pearson(successes, n)


@pytest.mark.parametrize("level", [0.4, 1.0, 97.5])
def test_level_that_is_no_one_sided_level_is_refused(level) -> None:
    with pytest.raises(ValueError, match="one-sided level"):
        wilson(1, 2, level=level)


def test_estimate_carries_what_was_measured_and_how() -> None:
    estimate = estimate_rate(85, 100)
    assert (estimate.value, estimate.n, estimate.method) == (0.85, 100, Method.CLOPPER_PEARSON)
    assert estimate.low == clopper_pearson(85, 100).low


def test_estimate_uses_the_method_it_is_asked_for() -> None:
    assert estimate_rate(85, 100, method=Method.WILSON).high == wilson(85, 100).high


def test_estimate_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        estimate_rate(0, 0)


def test_estimate_refuses_a_method_that_is_not_for_rates() -> None:
    with pytest.raises(ValueError, match="does not give bounds for a rate"):
        estimate_rate(1, 2, method=Method.DELONG)

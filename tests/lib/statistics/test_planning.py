import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readiness.lib.statistics import (
    Direction,
    Method,
    clopper_pearson,
    confidence_sequence,
    n_for_half_width,
    samples_until_decided,
    wilson,
    zero_failure_n,
)
from readiness.lib.statistics.binomial import at_least

INTERVALS = {Method.CLOPPER_PEARSON: clopper_pearson, Method.CONFIDENCE_SEQUENCE: confidence_sequence}


@pytest.mark.parametrize(
    ("bound", "n"),
    # ln(0.025) / ln(1 - bound), rounded up.
    [(0.01, 368), (0.05, 72), (0.001, 3688), (0.5, 6)],
)
def test_zero_failures_prove_a_bound_from_the_known_size_on(bound, n) -> None:
    assert zero_failure_n(bound) == n


@given(st.floats(0.002, 0.9), st.sampled_from([0.9, 0.95, 0.975, 0.99]))
def test_zero_failure_size_is_the_first_whose_exact_bound_passes(bound, level) -> None:
    n = zero_failure_n(bound, level=level)
    assert clopper_pearson(0, n, level=level).high <= bound + 1e-12
    assert n == 1 or clopper_pearson(0, n - 1, level=level).high > bound - 1e-12


@pytest.mark.parametrize("bound", [0, 1, -0.1])
def test_zero_failures_cannot_prove_a_bound_that_is_no_rate(bound) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        zero_failure_n(bound)


@pytest.mark.parametrize(
    ("rate", "half_width", "n"),
    # The published sizes for Wilson's interval at 95 %.
    [
        (0.5, 0.05, 381),
        (0.8, 0.05, 245),
        (0.9, 0.05, 141),
        (0.95, 0.05, 83),
        (0.8, 0.03, 682),
        (0.9, 0.03, 388),
    ],
)
def test_size_for_a_half_width_is_the_published_one(rate, half_width, n) -> None:
    assert n_for_half_width(rate, half_width) == n


@given(st.integers(0, 20), st.floats(0.01, 0.3))
def test_size_for_a_half_width_parts_the_sizes_that_reach_it(twentieths, half_width) -> None:
    n = n_for_half_width(twentieths / 20, half_width)

    def width(twenties: int) -> float:
        interval = wilson(twentieths * twenties, 20 * twenties)
        return (interval.high - interval.low) / 2

    enough = -(-n // 20)
    assert width(enough) <= half_width + 1e-9
    if n > 20:
        assert width((n - 1) // 20) > half_width - 1e-9


@pytest.mark.parametrize(("rate", "half_width"), [(1.2, 0.05), (0.5, 0), (0.5, 1)])
def test_size_for_an_impossible_half_width_is_refused(rate, half_width) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        n_for_half_width(rate, half_width)


def test_planned_size_at_the_observed_rate_passes_about_half_of_the_time() -> None:
    plan = samples_until_decided(85, 100, 0.8, Direction.AT_LEAST)
    assert plan is not None
    assert (plan.n, plan.more) == (260, 160)
    assert plan.power == pytest.approx(0.54, abs=0.01)


def test_asking_for_power_takes_more_samples() -> None:
    plan = samples_until_decided(85, 100, 0.8, Direction.AT_LEAST, power=0.8)
    assert plan is not None
    assert plan.n == 466
    assert plan.power >= 0.8


def test_stream_that_is_looked_at_takes_more_samples_than_a_planned_run() -> None:
    plan = samples_until_decided(85, 100, 0.8, Direction.AT_LEAST, method=Method.CONFIDENCE_SEQUENCE)
    assert plan is not None
    assert plan.n == 653


def test_faultless_sample_needs_as_many_as_zero_failures_do() -> None:
    plan = samples_until_decided(20, 20, 0.95, Direction.AT_LEAST)
    assert plan is not None
    assert plan.n == zero_failure_n(0.05)


def test_ceiling_on_failures_is_planned_as_a_floor_on_successes() -> None:
    assert samples_until_decided(3, 100, 0.05, Direction.AT_MOST) == samples_until_decided(
        97, 100, 0.95, Direction.AT_LEAST
    )


@pytest.mark.parametrize(
    ("successes", "threshold", "direction"),
    [(79, 0.8, Direction.AT_LEAST), (80, 0.8, Direction.AT_LEAST), (6, 0.05, Direction.AT_MOST)],
)
def test_rate_on_the_wrong_side_has_no_plan(successes, threshold, direction) -> None:
    assert samples_until_decided(successes, 100, threshold, direction) is None


def test_rate_too_close_to_its_threshold_has_no_plan() -> None:
    assert samples_until_decided(8_001, 10_000, 0.8, Direction.AT_LEAST) is None


def test_sample_that_passes_already_needs_no_more() -> None:
    plan = samples_until_decided(99, 100, 0.8, Direction.AT_LEAST)
    assert plan is not None
    assert (plan.n, plan.more) == (100, 0)


@given(
    n=st.integers(5, 60),
    failures=st.integers(0, 6),
    threshold=st.sampled_from([0.6, 0.75, 0.8, 0.9]),
    method=st.sampled_from(list(INTERVALS)),
)
def test_planned_size_is_the_first_at_which_the_observed_rate_passes(n, failures, threshold, method) -> None:
    successes = max(0, n - failures)
    plan = samples_until_decided(successes, n, threshold, Direction.AT_LEAST, method=method)
    if plan is None:
        assert successes / n <= threshold + 0.01
        return

    def passes(size: int) -> bool:
        return INTERVALS[method](size * successes // n, size).low >= threshold

    assert passes(plan.n)
    assert not any(passes(size) for size in range(max(n, plan.n - 15), plan.n))


@settings(max_examples=30)
@given(
    rate=st.sampled_from([0.86, 0.9, 0.95]), threshold=st.sampled_from([0.7, 0.8]), power=st.floats(0.5, 0.95)
)
def test_planned_power_is_reached_first_at_the_planned_size(rate, threshold, power) -> None:
    plan = samples_until_decided(round(rate * 100), 100, threshold, Direction.AT_LEAST, power=power)
    assert plan is not None

    def chance(size: int) -> float:
        passing = [k for k in range(size + 1) if at_least(k, size, threshold) <= 0.025]
        return at_least(passing[0], size, rate) if passing else 0.0

    assert plan.power == pytest.approx(chance(plan.n))
    assert chance(plan.n) >= power
    assert not any(chance(size) >= power for size in range(max(100, plan.n - 8), plan.n))


@pytest.mark.parametrize(("n", "threshold"), [(0, 0.8), (10, 0), (10, 1)])
def test_plan_without_samples_or_threshold_is_refused(n, threshold) -> None:
    with pytest.raises(ValueError, match="A plan needs"):
        samples_until_decided(n, n, threshold, Direction.AT_LEAST)


def test_plan_for_a_display_method_is_refused() -> None:
    with pytest.raises(ValueError, match="not planned for Wilson"):
        samples_until_decided(85, 100, 0.8, Direction.AT_LEAST, method=Method.WILSON)

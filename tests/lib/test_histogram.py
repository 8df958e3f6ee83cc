import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.histogram import RELATIVE_ERROR, SMALLEST_MS, Histogram

durations = st.lists(st.one_of(st.just(0.0), st.floats(SMALLEST_MS, 3_600_000)), max_size=40)
shares = st.floats(0, 1)


def _merge(*parts: Histogram) -> Histogram:
    total = Histogram()
    for part in parts:
        total.merge(part)
    return total


def test_stated_error_is_below_four_percent() -> None:
    assert RELATIVE_ERROR < 0.04


@given(durations.filter(bool), shares)
def test_quantile_is_close_to_the_value_of_that_rank(values, q) -> None:
    rank = max(1, math.ceil(Fraction(q) * len(values) - Fraction(1, 10**9)))
    expected = sorted(values)[rank - 1]
    assert Histogram.of(values).quantile(q) == pytest.approx(expected, rel=RELATIVE_ERROR + 1e-9, abs=0)


@given(durations, durations)
def test_merge_is_the_histogram_of_all_values(first, second) -> None:
    assert _merge(Histogram.of(first), Histogram.of(second)) == Histogram.of(first + second)


@given(durations, durations, durations)
def test_merge_does_not_depend_on_grouping_or_order(first, second, third) -> None:
    a, b, c = Histogram.of(first), Histogram.of(second), Histogram.of(third)
    assert _merge(_merge(a, b), c) == _merge(a, _merge(b, c)) == _merge(c, b, a)


@given(durations, durations)
def test_subtract_takes_back_a_merge_without_a_trace(first, second) -> None:
    histogram = _merge(Histogram.of(first), Histogram.of(second))
    histogram.subtract(Histogram.of(second))
    assert histogram == Histogram.of(first)


@pytest.mark.parametrize(("had", "taken"), [([5.0], [500.0]), ([5.0], [5.0, 5.0]), ([5.0], [0.0])])
def test_subtract_refuses_what_was_never_added_and_changes_nothing(had, taken) -> None:
    histogram = Histogram.of(had)
    with pytest.raises(ValueError, match="never added"):
        histogram.subtract(Histogram.of(taken))
    assert histogram == Histogram.of(had)


@given(durations)
def test_stored_form_survives_json(values) -> None:
    histogram = Histogram.of(values)
    assert Histogram.from_json(json.loads(json.dumps(histogram.to_json()))) == histogram


@given(st.lists(durations, max_size=5))
def test_stored_forms_merge_as_the_histograms_do(rows) -> None:
    parts = [Histogram.of(row) for row in rows]
    assert Histogram.merged(part.to_json() for part in parts) == _merge(*parts)


@given(durations)
def test_count_and_sum_are_exact(values) -> None:
    histogram = Histogram.of(values)
    assert histogram.count == len(values)
    assert histogram.sum_ms == pytest.approx(math.fsum(values), abs=0.0005 * len(values) + 1e-9)


def test_stored_form_is_small_and_readable() -> None:
    assert Histogram.of([1.0, 1.05, 0.0, 250.0]).to_json() == {"0": 2, "71": 1, "zero": 1, "sum_us": 252050}


def test_empty_histogram_has_no_quantile_and_an_empty_form() -> None:
    assert Histogram().quantile(0.5) is None
    assert Histogram().to_json() == {}


def test_quantile_among_zeros_is_zero() -> None:
    assert Histogram.of([0.0, 0.0, 8.0]).quantile(0.5) == 0.0


@pytest.mark.parametrize("value", [-1, math.inf, math.nan])
def test_duration_that_is_none_is_refused(value) -> None:
    with pytest.raises(ValueError, match="finite number of milliseconds"):
        Histogram().add(value)


@pytest.mark.parametrize("q", [-0.1, 1.1, 95])
def test_quantile_outside_zero_and_one_is_refused(q) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Histogram.of([1.0]).quantile(q)

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.money import format_usd, nanos, usd


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [
        ("1", 1_000_000_000),
        (2, 2_000_000_000),
        (Decimal("0.0000025"), 2_500),
        ("-0.5", -500_000_000),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
    ],
)
def test_nanos_rounds_half_to_even(dollars, expected) -> None:
    assert nanos(dollars) == expected


@given(st.integers(-(10**18), 10**18))
def test_usd_and_nanos_undo_each_other(amount) -> None:
    assert nanos(usd(amount)) == amount


@given(st.lists(st.integers(0, 10**12), max_size=30))
def test_sum_of_nanos_is_the_exact_sum_of_dollars(amounts) -> None:
    assert usd(sum(amounts)) == sum((usd(amount) for amount in amounts), Decimal(0))


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        ("0", "$0"),
        ("0.0021", "$0.0021"),
        ("0.00000125", "$0.0000012"),
        ("0.01", "$0.01"),
        ("3.4", "$3.40"),
        ("99.994", "$99.99"),
        ("1240", "$1,240"),
        ("-3.4", "-$3.40"),
    ],
)
def test_format_usd_shows_the_precision_that_matters(dollars, text) -> None:
    assert format_usd(nanos(dollars)) == text

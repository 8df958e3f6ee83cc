"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.checklist.catalogue.parts import Unit
from readiness.checklist.quantities import format_quantity, format_threshold
from readiness.lib.formats import SPACE
from readiness.lib.statistics import Direction
from tests.checklist.builders import plain


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.946, "%", "94.6 %"),
        (0.05, "%", "5.0 %"),
        (0.0, "%", "0 %"),
        (1.0, "%", "100 %"),
        (0.005, "%", "0.5 %"),
        (0.00123, "%", "0.12 %"),
        (0.999, "%", "99.9 %"),
        (0.99999, "%", "> 99.99 %"),
        (0.00001, "%", "< 0.01 %"),
        (1.2, "%", "120.0 %"),
        (-0.03, "%", "-3.0 %"),
        (310.4, "ms", "310 ms"),
        (2400, "ms", "2.4 s"),
        (120_000, "ms", "120 s"),
        (0.31, "s", "0.31 s"),
        (2.44, "s", "2.4 s"),
        (900, "s", "900 s"),
        (0.0021, "$", "$0.0021"),
        (1240.4, "$", "$1,240"),
        (0, "$", "$0"),
        (1204, "count", "1,204"),
        (1, "days", "1 day"),
        (30, "days", "30 days"),
        (0.714, "", "0.71"),
    ],
)
def test_quantity_is_written_with_its_unit(value: float, unit: Unit, text: str) -> None:
    assert plain(format_quantity(value, unit)) == text


@pytest.mark.parametrize(
    ("value", "beside", "unit", "text"),
    [
        (0.0504, 0.05, "%", "5.04 %"),
        (0.05, 0.05, "%", "5.0 %"),
        (10_040, 10_000, "ms", "10.04 s"),
        (0.6004, 0.6, "", "0.6004"),
        (0.00214, 0.0021, "$", "$0.00214"),
        (0.062, 0.05, "%", "6.2 %"),
    ],
)
def test_quantity_beside_its_limit_is_written_apart_from_it(
    value: float, beside: float, unit: Unit, text: str
) -> None:
    assert plain(format_quantity(value, unit, beside=beside)) == text


def test_number_and_unit_never_part_at_the_end_of_a_line() -> None:
    assert format_quantity(310, "ms") == f"310{SPACE}ms"


def test_threshold_is_written_with_its_direction() -> None:
    assert plain(format_threshold(0.9, Direction.AT_LEAST, "%")) == "≥ 90.0 %"
    assert plain(format_threshold(10_000, Direction.AT_MOST, "ms")) == "≤ 10.0 s"


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_only_nothing_and_everything_read_as_0_and_100_percent(share: float) -> None:
    assert plain(format_quantity(share, "%")) not in {"0 %", "0.0 %", "100 %", "100.0 %"}

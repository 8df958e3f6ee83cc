import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.simulator.wire import format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.017, "17ms"),
        (1, "1s"),
        (8.64, "8.64s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (3_603, "1h0m3s"),
    ],
)
def test_format_duration_writes_as_openai_does(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(0, 200_000))
def test_format_duration_rounds_up_by_less_than_a_millisecond(seconds: float) -> None:
    units = {"h": 3_600, "m": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", format_duration(seconds))
    read = sum(float(number) * units[unit] for number, unit in parts)
    assert seconds - 1e-6 <= read <= seconds + 0.001 + 1e-6

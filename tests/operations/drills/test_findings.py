"""What a figure says of itself."""

from typing import Any

import pytest

from readiness.operations.drills.findings import Finding, Moment


def finding(**values: Any) -> Finding:
    return Finding(key="k", label="Label", **values)


@pytest.mark.parametrize(
    ("values", "met"),
    [
        ({"value": 1, "at_most": 1}, True),
        ({"value": 1.01, "at_most": 1}, False),
        ({"value": 1, "at_least": 1}, True),
        ({"value": 0.99, "at_least": 1}, False),
        ({"value": 5}, None),
    ],
)
def test_threshold_itself_is_met(values: dict[str, float], met: bool | None) -> None:
    assert finding(**values).met is met


@pytest.mark.parametrize(
    ("values", "measured", "expected"),
    [
        ({"value": 0.123, "unit": "%", "at_most": 0.5}, "12.30\u00a0%", "at most 50\u00a0%"),
        ({"value": 1.0004, "unit": "%", "at_most": 1}, "100.04\u00a0%", "at most 100\u00a0%"),
        ({"value": 1234, "unit": "calls", "at_least": 1}, "1,234 calls", "at least 1 calls"),
        ({"value": 0.256, "unit": "s"}, "0.26 s", ""),
        ({"value": 0, "unit": "fact", "at_least": 1}, "no", "yes"),
    ],
)
def test_figures_are_written_with_their_unit(values: dict[str, Any], measured: str, expected: str) -> None:
    shown = finding(**values)

    assert (shown.measured_words, shown.expected_words) == (measured, expected)


def test_rows_give_back_what_was_stored() -> None:
    shown, moment = finding(value=1.5, unit="s", at_most=2), Moment(at_s=0.5, what="Begun.")

    assert Finding.from_row(shown.to_row()) == shown
    assert Moment.from_row(moment.to_row()) == moment

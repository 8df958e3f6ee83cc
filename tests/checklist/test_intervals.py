"""The drawing of an interval against its threshold."""

import re
from typing import Any

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from readiness.checklist.evidence import Part
from readiness.checklist.intervals import AXIS_END, AXIS_START, HEIGHT, WIDTH, Drawing, draw, interval_drawing
from readiness.checklist.rules import judge
from readiness.checklist.statuses import Status
from readiness.lib.statistics import Direction
from tests.checklist.builders import criterion, evidence, plain, rate, rule_row, situation

DOT_RADIUS = 4.5 + 0.75  # with half of its outline
RANGE_CAP = 2.5


def drawing(
    value: float, low: float | None, high: float | None, threshold: float | None, **fields: Any
) -> Drawing:
    options: dict[str, Any] = {"direction": Direction.AT_MOST, "unit": "%", "css": "pass"}
    return interval_drawing(value, low, high, threshold, **(options | fields))


def test_drawing_keeps_the_order_of_the_numbers() -> None:
    result = drawing(0.027, 0.012, 0.062, 0.05)

    assert result.range_start is not None
    assert result.range_end is not None
    assert result.limit is not None
    assert result.range_start < result.dot < result.limit < result.range_end


def test_drawing_is_to_scale() -> None:
    result = drawing(0.4, 0.3, 0.5, 0.6)

    assert result.limit is not None
    assert result.range_start is not None
    assert result.limit - result.dot == pytest.approx(2 * (result.dot - result.range_start), abs=0.2)


def test_drawing_says_all_it_shows_in_words() -> None:
    assert plain(drawing(0.027, 0.012, 0.062, 0.05).description) == (
        "2.7 %, 95 % interval 1.2 % to 6.2 %, limit at most 5.0 %"
    )


def test_drawing_of_a_sample_without_an_upper_bound_runs_to_the_end() -> None:
    result = drawing(900, 850, None, 2000, unit="ms")

    assert result.range_end == AXIS_END
    assert "no upper bound yet" in result.description


def test_drawing_of_a_sample_without_a_lower_bound_runs_from_the_start() -> None:
    result = drawing(0.7, None, 0.9, 0.6, unit="")

    assert result.range_start == AXIS_START
    assert "no lower bound yet" in result.description


def test_drawing_of_a_sample_without_any_bound_covers_the_axis() -> None:
    result = drawing(0.7, None, None, 0.6, unit="")

    assert (result.range_start, result.range_end) == (AXIS_START, AXIS_END)
    assert "no interval yet" in result.description


def test_drawing_of_an_exact_value_has_no_range() -> None:
    result = drawing(12, None, None, 30, unit="days", level=None)

    assert (result.range_start, result.range_end) == (None, None)
    assert plain(result.description) == "12 days, limit at most 30 days"


def test_drawing_without_a_limit_has_no_label() -> None:
    result = drawing(0.5, 0.4, 0.6, None)

    assert (result.limit, result.label) == (None, "")


numbers = st.floats(-1e9, 1e9)
shares = st.floats(0, 1)


def inside(result: Drawing) -> bool:
    drawn = [result.dot - DOT_RADIUS, result.dot + DOT_RADIUS, result.axis_y + 5.25, result.label_y]
    drawn += [x for x in (result.limit,) if x is not None]
    drawn += [
        x + cap
        for x in (result.range_start, result.range_end)
        if x is not None
        for cap in (-RANGE_CAP, RANGE_CAP)
    ]
    return all(0 <= x <= WIDTH for x in drawn) and result.label_y < HEIGHT


@given(
    st.lists(numbers, min_size=3, max_size=3), numbers, st.sampled_from(["", "ms", "s", "days", "$", "count"])
)
def test_drawing_stays_inside_its_view_box(interval: list[float], threshold: float, unit: str) -> None:
    low, value, high = sorted(interval)

    assert inside(drawing(value, low, high, threshold, unit=unit))


@given(st.lists(shares, min_size=3, max_size=3), shares)
def test_drawing_of_a_share_stays_inside_its_view_box(interval: list[float], threshold: float) -> None:
    low, value, high = sorted(interval)

    assert inside(drawing(value, low, high, threshold))


@given(shares, shares)
def test_label_stays_inside_the_view_box(value: float, threshold: float) -> None:
    result = drawing(value, None, None, threshold)
    half = len(result.label) * 5.5 / 2

    assert result.label_x - half >= -0.1
    assert result.label_x + half <= WIDTH + 0.1


def test_judged_part_is_drawn_in_the_colour_of_its_criterion() -> None:
    judgement = judge(criterion(fingerprint=["P"]), evidence(rate(3, 400)), situation(fingerprint={"P": "2"}))
    assert judgement.deciding is not None

    result = draw(judgement.deciding, judgement.status)

    assert result is not None
    assert (judgement.status, result.css) == (Status.STALE, "stale")
    assert plain(result.label) == "≤ 5.0 %"


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "rate", "label": "Fact", "type": "fact"},
        {"name": "rate", "label": "Sample", "type": "sample_at_least", "threshold": 5},
    ],
)
def test_what_has_no_scale_is_not_drawn(rule: dict[str, Any]) -> None:
    judgement = judge(criterion(rule), evidence(Part("rate", 1)), situation())
    assert judgement.deciding is not None

    assert draw(judgement.deciding, judgement.status) is None


def test_part_without_a_value_is_not_drawn() -> None:
    judgement = judge(criterion(rule_row()), evidence(Part("rate", None)), situation())

    assert draw(judgement.parts[0], judgement.status) is None


def test_component_draws_every_element() -> None:
    html = plain(
        render_to_string("components/_interval.html", {"drawing": drawing(0.027, 0.012, 0.062, 0.05)})
    )

    assert re.findall(r'class="(\w+)', html) == ["interval", "axis", "limit", "range", "dot"]
    assert 'aria-label="2.7 %, 95 % interval 1.2 % to 6.2 %, limit at most 5.0 %"' in html
    assert "≤ 5.0 %</text>" in html


def test_component_leaves_out_what_there_is_not() -> None:
    exact = drawing(12, None, None, None, unit="days", level=None)

    html = render_to_string("components/_interval.html", {"drawing": exact})

    assert re.findall(r'class="(\w+)', html) == ["interval", "axis", "dot"]


def test_component_has_no_inline_style() -> None:
    html = render_to_string("components/_interval.html", {"drawing": drawing(0.027, 0.012, 0.062, 0.05)})

    assert "style=" not in html

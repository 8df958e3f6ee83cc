"""Figures and tables of the limits page."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from readiness.lib.formats import SPACE
from readiness.operations.charts import time_line_chart, waits_chart
from readiness.operations.history import Mark, Point, TimeLine
from readiness.operations.waits import compared
from readiness.telemetry.charts import Chart

EIGHT = datetime(2027, 1, 15, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TIERS = {"free": "Free", "pro": "Pro"}


def point(minute: int, level: float | None = 0.5, oldest_s: float = 0, **waiting: int) -> Point:
    return Point(at=EIGHT + minute * MINUTE, waiting=waiting, oldest_s=oldest_s, level=level)


def mark(minute: float, kind: str = "Cut", words: str = "cut to 70 %", lasts_s: float = 0) -> Mark:
    at = EIGHT + minute * MINUTE
    return Mark(kind=kind, at=at, until=at + timedelta(seconds=lasts_s) if lasts_s else None, words=words)


def drawn(points: Sequence[Point | None], marks: Sequence[Mark] = (), *, marks_known: bool = True) -> Chart:
    until = EIGHT + len(points) * MINUTE
    line = TimeLine(
        since=EIGHT, until=until, step=MINUTE, points=points, marks=marks, marks_known=marks_known
    )
    return time_line_chart(line, "7", TIERS)


def traces(chart: Chart) -> dict[str, Any]:
    assert chart.figure is not None
    return {trace["name"]: trace for trace in chart.figure["data"]}


def shapes(chart: Chart) -> list[tuple[str, str]]:
    """From and until of every shade, as times of the day."""
    assert chart.figure is not None
    return [(shape["x0"][11:16], shape["x1"][11:16]) for shape in chart.figure["layout"].get("shapes", ())]


def test_each_tier_that_waited_is_an_area_by_its_name() -> None:
    found = traces(drawn([point(0, free=3), point(1, free=1, gone=2)]))

    assert (list(found["Free"]["y"]), list(found["gone"]["y"])) == ([3, 1], [0, 2])
    assert found["Free"]["stackgroup"] == found["gone"]["stackgroup"]


def test_line_of_what_is_left_breaks_where_nobody_looked() -> None:
    assert list(traces(drawn([point(0, 0.9), None, point(2, 0.1)]))["least left"]["y"]) == [
        0.9,
        None,
        0.1,
    ]


def test_time_that_nobody_looked_at_for_long_is_grey() -> None:
    seen = [point(0), None, point(2), None, None, None, point(6), None, None, None]

    assert shapes(drawn(seen)) == [("08:03", "08:06"), ("08:07", "08:10")]


def test_each_kind_of_mark_is_a_trace_with_its_words() -> None:
    found = traces(drawn([point(0)], [mark(0.1), mark(0.2, words="cut to 49 %"), mark(0.3, "429, pause")]))

    assert list(found["Cut"]["text"]) == ["cut to 70 %", "cut to 49 %"]
    assert list(found["429, pause"]["x"]) == ["2027-01-15 08:00:18"]


def test_pauses_that_go_on_are_one_shade_that_ends_now() -> None:
    pauses = [mark(minute, "429, pause", lasts_s=90) for minute in (0, 1, 4)]

    assert shapes(drawn([point(n) for n in range(5)], pauses)) == [("08:00", "08:02"), ("08:04", "08:05")]


def test_what_only_happened_is_not_shaded() -> None:
    assert shapes(drawn([point(0)], [mark(0)])) == []


def test_table_says_what_the_chart_shows_newest_first() -> None:
    chart = drawn(
        [point(0, free=3, pro=1, oldest_s=4, level=0.25), point(1), point(2)],
        [mark(0.1), mark(0.2), mark(2.5, words="resumed")],
    )

    assert chart.rows == [
        [EIGHT + 2 * MINUTE, "0", "–", f"50{SPACE}%", "resumed"],
        [EIGHT, "3 Free, 1 Pro", f"4{SPACE}s", f"25{SPACE}%", "cut to 70 % (×2)"],
    ]


def test_table_tells_what_happened_while_nobody_looked() -> None:
    assert drawn([None], [mark(0.5)]).rows == [[EIGHT, "not seen", "not seen", "not seen", "cut to 70 %"]]


def test_note_says_how_many_waited_at_the_most() -> None:
    assert drawn([point(0, free=3, pro=1), point(1, free=2)]).note.startswith("4 waited at the most")


def test_note_says_that_marks_are_missing() -> None:
    assert "Redis does not answer" in drawn([point(0)], marks_known=False).note


def test_nothing_seen_and_nothing_happened_is_no_chart() -> None:
    chart = drawn([None, None])

    assert chart.figure is None
    assert "Nobody looked" in chart.empty


def test_something_that_happened_is_a_chart_though_nobody_looked() -> None:
    assert drawn([None], [mark(0.5)]).figure is not None


def test_waits_are_drawn_against_their_predictions() -> None:
    found = traces(waits_chart(compared([(10, n) for n in range(11)]), "7"))["waited, and eight in ten"]

    assert (list(found["x"]), list(found["y"])) == ([10], [5])
    assert (list(found["error_y"]["array"]), list(found["error_y"]["arrayminus"])) == ([4], [4])


@pytest.mark.parametrize(
    ("pairs", "note"),
    [
        ([(10, 11)], "1 wait of 24 h: median error +1.0 s, 100 % within ±20 %"),
        ([(10, 9.98), (10, 9.98)], "2 waits of 24 h: median error 0.0 s, 100 % within ±20 %"),
        ([(10, 4), (20, 14)], "2 waits of 24 h: median error −6.0 s, 0 % within ±20 %"),
        ([], ""),
    ],
)
def test_waits_have_their_error_in_words(pairs: Sequence[tuple[float, float]], note: str) -> None:
    assert waits_chart(compared(pairs), "7").note.replace(SPACE, " ") == note


def test_waits_have_a_table_by_prediction() -> None:
    chart = waits_chart(compared([(0.2, 0.3), (400, 500)]), "7")

    assert not chart.by_time
    assert [[str(cell).replace(SPACE, " ") for cell in row] for row in chart.rows] == [
        ["0.0 s to 0.5 s", "1", "0.3 s", "0.3 s to 0.3 s"],
        ["5 min or more", "1", "8 min 20 s", "8 min 20 s to 8 min 20 s"],
    ]


def test_no_wait_is_no_chart() -> None:
    assert waits_chart(compared([]), "7").figure is None

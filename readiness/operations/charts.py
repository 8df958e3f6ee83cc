"""Rows in, figure out: the charts of the limits page. No database, no request."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import plotly.graph_objects as go

from readiness.lib.formats import SPACE, format_compact, format_percent, format_seconds
from readiness.lib.plots import HUES, figure_data, instants, time_figure
from readiness.operations.history import Mark, Point, TimeLine
from readiness.operations.waits import Bin, Waits
from readiness.telemetry.charts import Chart

_UNSEEN: Final = "rgba(128,128,128,0.16)"
_PAUSED: Final = "rgba(217,130,24,0.22)"
_SYMBOLS: Final = {
    "429, pause": "triangle-down",
    "Cut": "diamond",
    "Smaller quota": "square",
    "Overloaded": "hourglass",
    "Out of credit": "x",
    "Circuit opened": "circle-x-open",
    "Circuit closed": "circle-open",
    "Resumed": "triangle-right",
    "Redis lost its data": "star",
    "Without Redis": "cross",
}
_LASTING: Final = ("429, pause", "Circuit opened")
_LONG_UNSEEN: Final = timedelta(minutes=3)


def time_line_chart(shown: TimeLine, name: str, tiers: Mapping[str, str]) -> Chart:
    """Who waited, what was left, and what happened, over the same time. ``tiers``: name by slug."""
    seen = any(shown.points)
    return Chart(
        name=f"line-{name}",
        title="Waiting, what is left, and what happened",
        note=_note(shown),
        figure=figure_data(_time_figure(shown, tiers)) if seen or shown.marks else None,
        empty="Nobody looked at this deployment in this time. Each minute counts from its first call on, "
        "while the scheduler runs.",
        header=["From", "Waiting", "Oldest", "Least left", "What happened"],
        rows=list(_rows(shown, tiers)),
    )


def _note(shown: TimeLine) -> str:
    if not shown.marks_known:
        return "Redis does not answer, so pauses and cuts are not shown"
    most = max((sum(point.waiting.values()) for point in shown.points if point), default=0)
    return f"{format_compact(most)} waited at the most, looked at each minute; grey: nobody looked"


def _time_figure(shown: TimeLine, tiers: Mapping[str, str]) -> go.Figure:
    figure = time_figure(unit="waiting")
    figure.update_layout(
        height=None,
        legend={"traceorder": "normal"},
        yaxis={"domain": [0.46, 0.9], "title": {"text": "waiting"}},
        yaxis2={
            "domain": [0, 0.34],
            "anchor": "x",
            "range": [0, 1.05],
            "tickformat": ".0%",
            "title": {"text": "left"},
            "zeroline": False,
            "automargin": True,
        },
        yaxis3={"domain": [0.92, 1], "anchor": "x", "range": [-1, 1], "visible": False, "fixedrange": True},
        shapes=[*_unseen(shown), *_stopped(shown.marks, shown.until)],
    )
    figure.update_xaxes(range=instants([shown.since, shown.until]), anchor="y2")
    for i, tier in enumerate(shown.tiers):
        _add_waiting(figure, shown, tier, tiers.get(tier, tier), HUES[i % len(HUES)])
    _add_level(figure, shown)
    for kind in sorted({mark.kind for mark in shown.marks}):
        _add_marks(figure, kind, [mark for mark in shown.marks if mark.kind == kind])
    return figure


def _add_waiting(figure: go.Figure, shown: TimeLine, tier: str, label: str, hue: str) -> None:
    figure.add_scatter(
        x=instants(shown.starts),
        y=[point.waiting.get(tier, 0) if point else None for point in shown.points],
        name=label,
        stackgroup="waiting",
        mode="lines",
        line={"width": 1, "color": hue, "shape": "hv"},
        hovertemplate="%{y:,} waiting",
    )


def _add_level(figure: go.Figure, shown: TimeLine) -> None:
    figure.add_scatter(
        x=instants(shown.starts),
        y=[point.level if point else None for point in shown.points],
        yaxis="y2",
        name="least left",
        mode="lines",
        line={"width": 1.6, "color": HUES[4], "dash": "dot"},
        hovertemplate="%{y:.0%} of the scarcest limit",
    )


def _add_marks(figure: go.Figure, kind: str, marks: Sequence[Mark]) -> None:
    figure.add_scatter(
        x=instants([mark.at for mark in marks]),
        y=[0] * len(marks),
        yaxis="y3",
        name=kind,
        mode="markers",
        cliponaxis=False,
        marker={"size": 9, "symbol": _SYMBOLS.get(kind, "circle"), "color": HUES[1]},
        text=[mark.words for mark in marks],
        hovertemplate="%{text}",
    )


def _unseen(shown: TimeLine) -> list[dict[str, object]]:
    """Grey where nobody looked for longer than a look may be late."""
    shapes, begun = [], None
    for at, point in zip([*shown.starts, shown.until], [*shown.points, _END], strict=True):
        if point is None:
            begun = begun or at
        elif begun:
            if at - begun >= max(_LONG_UNSEEN, shown.step):
                shapes.append(_shape(begun, at, _UNSEEN))
            begun = None
    return shapes


_END: Final = Point(at=datetime.max.replace(tzinfo=UTC), waiting={}, oldest_s=0, level=None)


def _stopped(marks: Iterable[Mark], now: datetime) -> list[dict[str, object]]:
    """Amber while nothing was sent; one shape for pauses that go on from one another."""
    spans: list[tuple[datetime, datetime]] = []
    for mark in marks:
        if mark.kind in _LASTING and mark.until:
            begin, until = mark.at, min(mark.until, now)
            if spans and begin <= spans[-1][1]:
                spans[-1] = (spans[-1][0], until)
            else:
                spans.append((begin, until))
    return [_shape(begin, until, _PAUSED) for begin, until in spans]


def _shape(begin: datetime, until: datetime, colour: str) -> dict[str, object]:
    x0, x1 = instants([begin, until])
    place = {"type": "rect", "xref": "x", "yref": "paper", "x0": x0, "x1": x1, "y0": 0, "y1": 0.9}
    return place | {"fillcolor": colour, "line": {"width": 0}, "layer": "below"}


def _rows(shown: TimeLine, tiers: Mapping[str, str]) -> Iterable[Sequence[str | datetime]]:
    """Newest first, without the steps in which nothing waited and nothing happened."""
    happened: dict[int, list[Mark]] = {}
    for mark in shown.marks:
        happened.setdefault((mark.at - shown.since) // shown.step, []).append(mark)
    for i in reversed(range(len(shown.points))):
        point, marks = shown.points[i], happened.get(i, [])
        if marks or (point and any(point.waiting.values())):
            yield [shown.starts[i], *_cells(point, tiers), _told(marks)]


def _cells(point: Point | None, tiers: Mapping[str, str]) -> Sequence[str]:
    if point is None:
        return ["not seen"] * 3
    found = sorted(point.waiting.items())
    waiting = [f"{format_compact(n)} {tiers.get(tier, tier)}" for tier, n in found if n]
    level = "–" if point.level is None else format_percent(point.level, 0)
    return [", ".join(waiting) or "0", format_seconds(point.oldest_s) if waiting else "–", level]


def _told(marks: Sequence[Mark]) -> str:
    counted: dict[str, int] = {}
    for mark in marks:
        counted[mark.words] = counted.get(mark.words, 0) + 1
    return "; ".join(f"{words} (×{n})" if n > 1 else words for words, n in counted.items())


def waits_chart(found: Waits, name: str) -> Chart:
    """Median waits, with the range of eight in ten, against what was predicted."""
    return Chart(
        name=f"waits-{name}",
        title="Predicted and real wait",
        note=_waits_note(found),
        figure=figure_data(_waits_figure(found.bins)) if found.bins else None,
        empty="No request of this project waited here within a day. Predictions appear with the first queue.",
        header=["Predicted", "Requests", "Waited, median", "Eight in ten"],
        rows=[_waits_row(one) for one in found.bins],
        by_time=False,
    )


def _waits_note(found: Waits) -> str:
    if found.error_s is None or found.close is None:
        return ""
    sign = "" if abs(found.error_s) < 0.05 else "+" if found.error_s > 0 else "−"
    which = "last " if found.capped else ""
    waits = f"{format_compact(found.count)} wait{'' if found.count == 1 else 's'}"
    return (
        f"{which}{waits} of 24{SPACE}h: median error {sign}"
        f"{_seconds(abs(found.error_s))}, {format_percent(found.close, 0)} within ±20{SPACE}%"
    )


def _waits_figure(bins: Sequence[Bin]) -> go.Figure:
    figure = time_figure(unit="seconds waited")
    most = max(max(one.predicted, one.longest) for one in bins) * 1.05 or 1.0
    figure.update_layout(height=None, hovermode="closest")
    figure.update_xaxes(type="linear", title={"text": "seconds predicted"}, range=[0, most], zeroline=False)
    figure.add_scatter(
        x=[0, most],
        y=[0, most],
        name="as predicted",
        mode="lines",
        line={"width": 1, "dash": "dot", "color": HUES[5]},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[round(one.predicted, 3) for one in bins],
        y=[round(one.wait, 3) for one in bins],
        name="waited, and eight in ten",
        mode="markers",
        marker={"size": 8, "color": HUES[0]},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [round(one.longest - one.wait, 3) for one in bins],
            "arrayminus": [round(one.wait - one.shortest, 3) for one in bins],
            "thickness": 1.2,
            "width": 4,
        },
        text=[f"{one.count:,} requests" for one in bins],
        hovertemplate="%{x:.1f} s predicted, %{y:.1f} s waited<br>%{text}<extra></extra>",
    )
    return figure


def _waits_row(one: Bin) -> Sequence[str | datetime]:
    endless = one.high == float("inf")
    return [
        f"{_seconds(one.low)} or more" if endless else f"{_seconds(one.low)} to {_seconds(one.high)}",
        f"{one.count:,}",
        _seconds(one.wait),
        f"{_seconds(one.shortest)} to {_seconds(one.longest)}",
    ]


def _seconds(value: float) -> str:
    return f"{value:.1f}{SPACE}s" if value < 10 else format_seconds(value)

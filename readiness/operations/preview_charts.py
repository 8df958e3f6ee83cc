"""Figures of a preview: tiers before and after, and their waits over the replayed time. No database."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from plotly.subplots import make_subplots

from readiness.lib.formats import format_compact, format_milliseconds
from readiness.lib.money import format_usd, usd
from readiness.lib.plots import HUES, figure_data, instants, time_figure
from readiness.limits.replay_figures import Figures, GroupFigures
from readiness.operations.preview_results import Result
from readiness.operations.preview_tables import Names, group_pairs
from readiness.telemetry.charts import Chart

TIERS_HEIGHT = 600
_MOST_LINES = 3
"""Tiers whose waits are drawn over time; the table has all."""

_MOST_LABELLED = 6
"""Tiers up to which the bars carry their numbers, which make small ones readable beside large ones."""

_Value = Callable[[GroupFigures], float | None]
_Words = Callable[[GroupFigures], str]


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _duration(milliseconds: int | None) -> str:
    return "" if milliseconds is None else format_milliseconds(milliseconds)


_MEASURES: Sequence[tuple[str, _Value, _Words]] = (
    ("Wait, p50 (seconds)", lambda group: _seconds(group.p50_ms), lambda group: _duration(group.p50_ms)),
    ("Wait, p99 (seconds)", lambda group: _seconds(group.p99_ms), lambda group: _duration(group.p99_ms)),
    (
        "Turned away (requests)",
        lambda group: group.refused + group.expired,
        lambda group: format_compact(group.refused + group.expired),
    ),
    ("Money (US dollars)", lambda group: float(usd(group.nanos)), lambda group: format_usd(group.nanos)),
)


def tiers_figure(result: Result, names: Names) -> dict[str, Any]:
    """Bars for every tier, before beside after: two waits, what was turned away, and money."""
    pairs = group_pairs(result, names)
    figure = make_subplots(
        rows=len(_MEASURES),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.09,
        subplot_titles=[title for title, _, _ in _MEASURES],
    )
    for row, (_, value, words) in enumerate(_MEASURES, start=1):
        for side, hue in (("before", HUES[0]), ("after", HUES[1])):
            groups = [getattr(pair, side) for pair in pairs]
            figure.add_bar(
                x=[pair.name for pair in pairs],
                y=[group and value(group) for group in groups],
                text=[words(group) if group else "" for group in groups],
                textposition="outside" if len(pairs) <= _MOST_LABELLED else "none",
                textangle=0,
                textfont={"size": 10},
                cliponaxis=False,
                name=side.capitalize(),
                legendgroup=side,
                showlegend=row == 1,
                marker={"color": hue},
                hovertemplate="%{text}",
                row=row,
                col=1,
            )
    _dress(figure)
    return figure_data(figure)


def _dress(figure: Any) -> None:
    """The look of our other charts; titles of the parts stand at the left, so that they fit a phone."""
    figure.update_layout(
        template="none",
        height=TIERS_HEIGHT,
        margin={"l": 48, "r": 12, "t": 64, "b": 28},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        barmode="group",
        bargap=0.35,
        hovermode="x",
        legend={"orientation": "h", "x": 0, "y": 1.07, "yanchor": "bottom"},
    )
    figure.update_annotations(x=0, xanchor="left", yshift=6, font={"size": 12})
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(rangemode="tozero", zeroline=False, automargin=True, nticks=4)


def waits_chart(result: Result, names: Names) -> Chart:
    """p99 waits by time of arrival for the tiers that wait longest; the table has every tier."""
    starts = _starts(result.before)
    figure = time_figure(unit="seconds")
    for i, name in enumerate(_longest_waiting(result)):
        for side, figures in (("before", result.before), ("after", result.after)):
            series = next((group.p99_series for group in figures.groups if group.name == name), ())
            figure.add_scatter(
                x=instants(starts),
                y=[_seconds(wait) for wait in series],
                name=f"{names.group(name)}, {side}" if side == "before" else names.group(name),
                legendgroup=name,
                showlegend=side == "after",
                mode="lines+markers",
                marker={"size": 4},
                line={"width": 1.6, "color": HUES[i], "dash": "dot" if side == "before" else "solid"},
                hovertemplate="%{y:,.3~f} s",
            )
    header, rows = _table(result, names, starts)
    return Chart(
        name="preview-waits",
        title="Longest waits over the replayed time",
        note="p99 by time of arrival, dotted before, solid after. Simulated",
        figure=figure_data(figure),
        empty="",
        header=header,
        rows=rows,
        log_switch=True,
    )


def _starts(figures: Figures) -> list[datetime]:
    first = datetime.fromtimestamp(figures.starts_ms / 1000, UTC)
    count = len(figures.groups[0].p99_series)
    return [first + timedelta(milliseconds=i * figures.window_ms) for i in range(count)]


def _longest_waiting(result: Result) -> list[str]:
    """Names of groups, the longest p99 on either side first."""
    longest: dict[str, int] = {}
    for group in (*result.before.groups, *result.after.groups):
        longest[group.name] = max(longest.get(group.name, 0), group.p99_ms or 0)
    return sorted(longest, key=lambda name: -longest[name])[:_MOST_LINES]


def _table(
    result: Result, names: Names, starts: Sequence[datetime]
) -> tuple[list[str], list[Sequence[str | datetime]]]:
    pairs = group_pairs(result, names)
    columns = [
        (f"{pair.name}, {side}", getattr(pair, side).p99_series)
        for pair in pairs
        for side in ("before", "after")
        if getattr(pair, side)
    ]
    rows: list[Sequence[str | datetime]] = [
        [start, *("–" if series[i] is None else format_milliseconds(series[i]) for _, series in columns)]
        for i, start in enumerate(starts)
        if any(series[i] is not None for _, series in columns)
    ]
    return ["From", *(name for name, _ in columns)], rows

"""The quality chart: scores with their interval over time. Rows in, figure out."""

from collections.abc import Sequence
from datetime import datetime

import plotly.graph_objects as go

from readiness.lib.formats import format_percent
from readiness.lib.plots import HUES, figure_data, instants, time_figure
from readiness.lib.statistics import Interval, wilson
from readiness.quality.queries import Window
from readiness.telemetry.charts import Chart

_SCORES = (
    ("Supported by the source", "supported", "judged", HUES[0]),
    ("Consistent when asked again", "consistent", "compared", HUES[1]),
)


def quality_chart(windows: Sequence[Window]) -> Chart:
    """Shares of the spot-checked answers by window, each with Wilson's interval as whiskers."""
    checked = sum(window.rates.checked for window in windows)
    figure = time_figure(unit="share of checked answers")
    figure.update_yaxes(range=[0, 1.03], tickformat=".0%")
    for name, part, whole, hue in _SCORES:
        _add_score(figure, windows, name, part, whole, hue)
    drawn = any(window.rates.judged or window.rates.compared for window in windows)
    return Chart(
        name="quality",
        title="Quality of answers",
        note=f"{checked:,} spot-checked, 95 % intervals (Wilson)",
        figure=figure_data(figure) if drawn else None,
        empty="No answer of this range was spot-checked. Turn spot-checks on under Quality, Policy.",
        header=["From", "Checked", *(name for name, *_ in _SCORES)],
        rows=[_row(window) for window in reversed(windows)],
    )


def _add_score(
    figure: go.Figure, windows: Sequence[Window], name: str, part: str, whole: str, hue: str
) -> None:
    measured = [
        (w.start, getattr(w.rates, part), getattr(w.rates, whole)) for w in windows if getattr(w.rates, whole)
    ]
    bounds = [wilson(k, n) for _, k, n in measured]
    shares = [k / n for _, k, n in measured]
    figure.add_scatter(
        x=instants([start for start, _, _ in measured]),
        y=shares,
        name=name,
        mode="lines+markers",
        marker={"size": 6, "color": hue},
        line={"width": 1.6, "color": hue},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [b.high - share for b, share in zip(bounds, shares, strict=True)],
            "arrayminus": [share - b.low for b, share in zip(bounds, shares, strict=True)],
            "thickness": 1,
            "width": 3,
        },
        customdata=[[k, n] for _, k, n in measured],
        hovertemplate="%{y:.1%} (%{customdata[0]} of %{customdata[1]})",
    )


def _row(window: Window) -> Sequence[str | datetime]:
    rates = window.rates
    return [
        window.start,
        f"{rates.checked:,}",
        *(_cell(getattr(rates, part), getattr(rates, whole)) for _, part, whole, _ in _SCORES),
    ]


def _cell(part: int, whole: int) -> str:
    if not whole:
        return "–"
    bounds: Interval = wilson(part, whole)
    interval = f"{format_percent(bounds.low, 0)} – {format_percent(bounds.high, 0)}"
    return f"{format_percent(part / whole)} of {whole:,} ({interval})"

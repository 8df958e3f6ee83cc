"""Rows in, figure out: the charts of the traffic page. No database, no request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from readiness.lib.formats import format_milliseconds
from readiness.lib.histogram import Histogram
from readiness.lib.money import format_usd, usd
from readiness.lib.plots import figure_data, instants, time_figure
from readiness.telemetry.queries import Traffic, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart as the page shows it: figure, and the same numbers as a table."""

    name: str
    title: str
    note: str
    figure: dict[str, Any] | None
    """None where there is nothing to draw."""
    empty: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | datetime]]
    """First column: start of the window, or what the chart is by."""
    by_time: bool = True
    log_switch: bool = False

    @property
    def data_id(self) -> str:
        """Id of the JSON block that holds the figure."""
        return f"chart-{self.name}-data"


def cost_chart(traffic: Traffic) -> Chart:
    """Money per window, stacked by deployment."""
    spenders = [pk for pk, nanos in traffic.total.cost_by_deployment.items() if nanos]
    figure = time_figure(unit="US dollars")
    figure.update_layout(barmode="stack")
    for pk in spenders:
        values = [float(usd(w.cost_by_deployment.get(pk, 0))) for w in traffic.windows]
        figure.add_bar(x=_starts(traffic), y=values, name=traffic.deployments[pk], hovertemplate="$%{y:.4~g}")
    return Chart(
        name="cost",
        title="Cost by model",
        note=f"{format_usd(traffic.total.cost_nanos)} in this range",
        figure=figure_data(figure) if spenders else None,
        empty="Nothing has cost anything in this range. Costs appear as soon as a priced model answers.",
        header=["From", *(traffic.deployments[pk] for pk in spenders), "Together"],
        rows=_rows(
            traffic,
            lambda w: [
                *(format_usd(w.cost_by_deployment.get(pk, 0)) for pk in spenders),
                format_usd(w.cost_nanos),
            ],
        ),
    )


_QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


def latency_chart(traffic: Traffic) -> Chart:
    """Provider time of delivered answers, and the wait in our queue apart from it."""
    figure = time_figure(unit="milliseconds")
    for share, name in _QUANTILES:
        _line(figure, traffic, name, [w.latency.quantile(share) for w in traffic.windows])
    waits = [w.queue_wait.quantile(0.95) for w in traffic.windows]
    _line(figure, traffic, "queue wait, p95", waits, dash="dot")
    return Chart(
        name="latency",
        title="Latency of the provider, and queue wait",
        note="Quantiles from histograms, within 4 %",
        figure=figure_data(figure) if traffic.total.latency.count else None,
        empty="No answer was delivered in this range. Latency appears with the first one.",
        header=["From", *(name for _, name in _QUANTILES), "Queue wait, p95"],
        rows=_rows(
            traffic,
            lambda w: [
                *(_milliseconds(w.latency, share) for share, _ in _QUANTILES),
                _milliseconds(w.queue_wait, 0.95),
            ],
        ),
        log_switch=True,
    )


_LIMITED: Sequence[tuple[str, str]] = (
    ("upstream_429", "429 from the provider"),
    ("refused", "refused by our limits"),
    ("absorbed", "absorbed by waiting"),
)


def limits_chart(traffic: Traffic) -> Chart:
    """Where the quota was felt: 429s that came through, our refusals, and requests that waited instead."""
    figure = time_figure(unit="requests")
    figure.update_layout(barmode="stack")
    for name, label in _LIMITED:
        figure.add_bar(x=_starts(traffic), y=[getattr(w, name) for w in traffic.windows], name=label)
    total = traffic.total
    return Chart(
        name="limits",
        title="429s: from the provider, ours, and absorbed",
        note=f"{total.upstream_429:,} from the provider, {total.absorbed:,} absorbed by the queue",
        figure=figure_data(figure) if total.requests or total.attempts else None,
        empty="No request was made in this range. Run a benchmark to see what the quota does.",
        header=["From", *(label.capitalize() for _, label in _LIMITED)],
        rows=_rows(traffic, lambda w: [f"{getattr(w, name):,}" for name, _ in _LIMITED]),
    )


def _starts(traffic: Traffic) -> list[str]:
    return instants([window.start for window in traffic.windows])


def _line(
    figure: go.Figure, traffic: Traffic, name: str, values: Sequence[float | None], dash: str = "solid"
) -> None:
    figure.add_scatter(
        x=_starts(traffic),
        y=[None if value is None else round(value) for value in values],
        name=name,
        mode="lines+markers",
        marker={"size": 4},
        line={"width": 1.6, "dash": dash},
        hovertemplate="%{y:,} ms",
    )


def _rows(traffic: Traffic, cells: Callable[[Window], Sequence[str]]) -> list[Sequence[str | datetime]]:
    """Table rows, newest first, without the windows in which nothing happened."""
    busy = [window for window in reversed(traffic.windows) if window.requests or window.attempts]
    return [[window.start, *cells(window)] for window in busy]


def _milliseconds(histogram: Histogram, share: float) -> str:
    value = histogram.quantile(share)
    return "–" if value is None else format_milliseconds(value)

"""The look that all charts share; ink and grid are left to the page, which follows light and dark."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import plotly.graph_objects as go

HUES: Final = ("#3b6fd4", "#d98218", "#1f9e77", "#b84d9b", "#7a6ff0", "#8a6d3b")
"""Six hues that people with any common colour blindness tell apart, on light and on dark ground."""

HEIGHT: Final = 260

PLOTLY_STYLES: Final = {"style-src": ["'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"]}
"""Addition to the content policy of chart pages: the one style sheet that this version of plotly.js injects
when it loads (the rules of its maps). Another version has another hash; the browser test then says so."""


def time_figure(*, unit: str, log: bool = False, from_zero: bool = True) -> go.Figure:
    """An empty figure over time. ``unit`` is the title of the y axis; counts and money start at 0."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        height=HEIGHT,
        margin={"l": 56, "r": 12, "t": 28, "b": 32},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=list(HUES),
        hovermode="x unified",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        bargap=0.15,
    )
    figure.update_xaxes(type="date", showgrid=False)
    figure.update_yaxes(
        title={"text": unit}, zeroline=False, automargin=True, type="log" if log else "linear"
    )
    if from_zero and not log:
        figure.update_yaxes(rangemode="tozero")
    return figure


def instants(moments: Sequence[datetime]) -> list[str]:
    """Moments as plotly reads them: UTC without a zone."""
    return [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments]


def figure_data(figure: go.Figure) -> dict[str, Any]:
    """Plain data and layout for ``json_script``; plotly.js draws them on the page."""
    data: dict[str, Any] = figure.to_plotly_json()
    data["layout"].pop("template", None)
    return data

"""From figures to what the result page prints: words, and small drawings on a scale that a row shares."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from readiness.benchmarks.results import Agreement, Metric, Results
from readiness.lib.formats import format_milliseconds, format_percent
from readiness.lib.money import format_usd, nanos
from readiness.lib.statistics import Confusion, Estimate
from readiness.providers.models import Deployment

WIDTH = 120
"""Width of a drawing's view box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One deployment's value of one metric."""

    text: str
    interval: str = ""
    n: int = 0
    note: str = ""
    """Abstentions and errors, counted apart."""
    x: float | None = None
    x_low: float | None = None
    x_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    title: str
    method: str
    better: str
    """``higher`` or ``lower``."""
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRow:
    title: str
    n: int
    precision: str
    recall: str
    f1: str
    area: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The comparison table; a column for each deployment."""

    columns: Sequence[Deployment]
    answered: Sequence[tuple[int, int]]
    """(answered, failed) of each column."""
    rows: Sequence[Row]
    agreements: Sequence[AgreementRow]


def comparison(results: Results, deployments: Mapping[int, Deployment]) -> Comparison:
    """Rows of metrics for the deployments that have finished cells. Rows that say nothing are left out."""
    arms = results.arms
    rows = [_row([arm.metrics[i] for arm in arms]) for i in range(len(arms[0].metrics))] if arms else []
    if any(arm.human for arm in arms):
        humans = [
            Metric(
                name="human",
                title="Hallucinated, by human label",
                unit="share",
                higher_is_better=False,
                estimate=arm.human,
            )
            for arm in arms
        ]
        rows.insert(0, _row(humans))
    return Comparison(
        columns=[deployments[arm.deployment_id] for arm in arms],
        answered=[(arm.answered, arm.failed) for arm in arms],
        rows=[row for row in rows if any(figure.n or figure.note for figure in row.figures)],
        agreements=_agreements(results.agreements, results.trivial),
    )


def strata_table(results: Results) -> list[tuple[str, list[Figure]]]:
    """The leading metric by stratum, a column for each deployment."""
    order = [arm.deployment_id for arm in results.arms]
    table = []
    for stratum, by_arm in results.strata.items():
        figures = [_figure(by_arm[arm], (0, 1)) if arm in by_arm else Figure(text="–") for arm in order]
        table.append((stratum or "no stratum", figures))
    return table


def _row(metrics: Sequence[Metric]) -> Row:
    scale = _scale([metric.estimate for metric in metrics if metric.estimate])
    methods = dict.fromkeys(metric.estimate.method.label for metric in metrics if metric.estimate)
    return Row(
        title=metrics[0].title,
        method=", ".join(methods),
        better="higher" if metrics[0].higher_is_better else "lower",
        figures=[_figure(metric, scale) for metric in metrics],
    )


def _scale(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """One axis for a whole row, so that its drawings can be compared by eye."""
    ends = [end for e in estimates for end in (e.low, e.high, e.value) if math.isfinite(end)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    room = (high - low) * 0.05 or abs(high) * 0.1 or 0.5
    return low - room, high + room


def _figure(metric: Metric, scale: tuple[float, float]) -> Figure:
    estimate = metric.estimate
    note = _note(metric)
    if estimate is None:
        return Figure(text="–", note=note)
    low, high = estimate.low, estimate.high
    return Figure(
        text=_number(estimate.value, metric.unit),
        interval=f"{_bound(low, metric.unit)} … {_bound(high, metric.unit)}",
        n=estimate.n,
        note=note,
        x=_x(estimate.value, scale),
        x_low=_x(low, scale) if math.isfinite(low) else 0.0,
        x_high=_x(high, scale) if math.isfinite(high) else float(WIDTH),
    )


def _x(value: float, scale: tuple[float, float]) -> float:
    low, high = scale
    return round((value - low) / (high - low) * WIDTH, 1)


def _note(metric: Metric) -> str:
    parts = []
    if metric.abstained:
        parts.append(f"{metric.abstained:,} abstained")
    if metric.errors:
        parts.append(f"{metric.errors:,} scoring errors")
    return ", ".join(parts)


def _bound(value: float, unit: str) -> str:
    return _number(value, unit) if math.isfinite(value) else "not bounded"


def _number(value: float, unit: str) -> str:
    match unit:
        case "share":
            return format_percent(value)
        case "ms":
            return format_milliseconds(value)
        case "usd":
            return format_usd(nanos(f"{value:.9f}"))
    return f"{value:.2f}"


def _agreements(agreements: Sequence[Agreement], trivial: Confusion | None) -> list[AgreementRow]:
    rows = [_agreement(a.title, a.confusion, a.area) for a in agreements if a.confusion or a.area]
    if rows and trivial:
        rows.append(_agreement("Flag every answer (trivial)", trivial, None, area_text="0.50"))
    return rows


def _agreement(
    title: str, confusion: Confusion | None, area: Estimate | None, area_text: str = "–"
) -> AgreementRow:
    if area is not None:
        area_text = f"{area.value:.2f} ({area.low:.2f} … {area.high:.2f})"
    return AgreementRow(
        title=title,
        n=confusion.n if confusion else (area.n if area else 0),
        precision=_share(confusion.precision if confusion else None),
        recall=_share(confusion.recall if confusion else None),
        f1=f"{confusion.f1:.2f}" if confusion and confusion.f1 is not None else "–",
        area=area_text,
    )


def _share(estimate: Estimate | None) -> str:
    return format_percent(estimate.value) if estimate else "–"

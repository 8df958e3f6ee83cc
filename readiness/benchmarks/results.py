"""From cells and scores to the figures of the result page. Pure: arrays in, estimates out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from readiness.lib.money import NANOS_PER_USD
from readiness.lib.statistics import (
    Confusion,
    Estimate,
    Method,
    auroc,
    estimate_mean,
    estimate_quantile,
    estimate_rate,
)
from readiness.scorers.base import ScorerSpec, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFacts:
    """What the figures need of one finished cell. Times in milliseconds, money in nano-dollars."""

    id: int
    example_id: int
    deployment_id: int
    stratum: str
    failed: bool
    latency_ms: int | None
    ttft_ms: int | None
    queue_ms: int
    cost_nanos: int | None
    """None where nobody knows the price."""
    human_label: bool | None


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    status: str
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the comparison for one deployment."""

    name: str
    title: str
    unit: str
    """``share``, ``ms``, ``usd`` or ``number``."""
    higher_is_better: bool
    estimate: Estimate | None
    """None where nothing could be measured."""
    abstained: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well a scorer's flags and ranking agree with the human labels."""

    title: str
    confusion: Confusion | None
    """None for a scorer without a threshold: it only ranks."""
    area: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """All figures of one deployment."""

    deployment_id: int
    answered: int
    failed: int
    metrics: Sequence[Metric]
    human: Estimate | None
    """Share of answers in which people found a hallucination; None without labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    arms: Sequence[ArmResult]
    agreements: Sequence[Agreement]
    trivial: Confusion | None
    """What flagging every labelled answer would score."""
    strata: Mapping[str, Mapping[int, Metric]] = field(default_factory=dict)
    """Stratum to deployment to the leading metric."""


Scores = Mapping[tuple[int, str], ScoreFacts]
"""By (cell id, scorer name)."""


def summarise(cells: Sequence[CellFacts], scores: Scores, scorers: Sequence[ScorerSpec]) -> Results:
    """Figures by deployment, agreement with people over all of them, the leading metric by stratum."""
    by_arm: defaultdict[int, list[CellFacts]] = defaultdict(list)
    for cell in cells:
        by_arm[cell.deployment_id].append(cell)
    labelled = [cell for cell in cells if cell.human_label is not None and not cell.failed]
    return Results(
        arms=[_arm(arm, members, scores, scorers) for arm, members in sorted(by_arm.items())],
        agreements=[_agreement(labelled, scores, spec) for spec in scorers] if labelled else [],
        trivial=Confusion.count(_truths(labelled)).trivial if labelled else None,
        strata=_strata(cells, scores, scorers),
    )


def _arm(
    deployment_id: int, cells: Sequence[CellFacts], scores: Scores, scorers: Sequence[ScorerSpec]
) -> ArmResult:
    answered = [cell for cell in cells if not cell.failed]
    labels = [cell.human_label for cell in answered if cell.human_label is not None]
    return ArmResult(
        deployment_id=deployment_id,
        answered=len(answered),
        failed=len(cells) - len(answered),
        metrics=[
            *(score_metric(spec, answered, scores) for spec in scorers),
            *_running_metrics(cells, answered),
        ],
        human=_rate(sum(labels), len(labels)),
    )


def score_metric(spec: ScorerSpec, cells: Sequence[CellFacts], scores: Scores) -> Metric:
    """A scorer's mean over examples: as a rate where its values are 0 and 1, else by bootstrap."""
    found = [scores[cell.id, spec.name] for cell in cells if (cell.id, spec.name) in scores]
    return Metric(
        name=spec.name,
        title=spec.title,
        unit="share" if spec.high == 1 else "number",
        higher_is_better=spec.higher_is_better,
        estimate=_mean(_per_example(spec, cells, scores)),
        abstained=sum(score.status == Status.ABSTAIN for score in found),
        errors=sum(score.status == Status.ERROR for score in found),
    )


def _per_example(spec: ScorerSpec, cells: Sequence[CellFacts], scores: Scores) -> list[float]:
    """One value for each example: repeats of one example are averaged, because they are not independent."""
    repeats: defaultdict[int, list[float]] = defaultdict(list)
    for cell in cells:
        value = _value(scores.get((cell.id, spec.name)))
        if value is not None:
            repeats[cell.example_id].append(value)
    return [sum(values) / len(values) for values in repeats.values()]


def _mean(values: Sequence[float]) -> Estimate | None:
    if not values:
        return None
    if set(values) <= {0.0, 1.0}:
        return _rate(int(sum(values)), len(values))
    return estimate_mean(values)


def _rate(successes: int, n: int) -> Estimate | None:
    return estimate_rate(successes, n, method=Method.WILSON) if n else None


def _running_metrics(cells: Sequence[CellFacts], answered: Sequence[CellFacts]) -> list[Metric]:
    """Latency, waiting, cost and errors. Recorded outputs without a time leave the times empty."""
    latencies = [cell.latency_ms for cell in answered if cell.latency_ms is not None]
    first_tokens = [cell.ttft_ms for cell in answered if cell.ttft_ms is not None]
    waits = [cell.queue_ms for cell in answered if cell.latency_ms is not None]
    costs = [
        cell.cost_nanos / NANOS_PER_USD
        for cell in answered
        if cell.latency_ms is not None and cell.cost_nanos is not None
    ]
    rows: list[tuple[str, str, str, Estimate | None]] = [
        ("latency_p50", "Latency, p50", "ms", _quantile(latencies, 0.5)),
        ("latency_p95", "Latency, p95", "ms", _quantile(latencies, 0.95)),
        ("ttft_p95", "Time to first token, p95", "ms", _quantile(first_tokens, 0.95)),
        ("queue_p95", "Queue wait, p95 (ours)", "ms", _quantile(waits, 0.95)),
        ("cost_mean", "Cost per request, mean", "usd", estimate_mean(costs) if costs else None),
        ("cost_p95", "Cost per request, p95", "usd", _quantile(costs, 0.95)),
        ("error_rate", "Failed requests", "share", _rate(sum(cell.failed for cell in cells), len(cells))),
    ]
    return [
        Metric(name=name, title=title, unit=unit, higher_is_better=False, estimate=estimate)
        for name, title, unit, estimate in rows
    ]


def _quantile(values: Sequence[float], share: float) -> Estimate | None:
    return estimate_quantile(values, share) if values else None


def _truths(labelled: Sequence[CellFacts]) -> list[tuple[bool, bool]]:
    return [(True, bool(cell.human_label)) for cell in labelled]


def _agreement(labelled: Sequence[CellFacts], scores: Scores, spec: ScorerSpec) -> Agreement:
    pairs = [
        (value, bool(cell.human_label))
        for cell in labelled
        if (value := _value(scores.get((cell.id, spec.name)))) is not None
    ]
    flags = [(spec.flags(value), truth) for value, truth in pairs]
    return Agreement(
        title=spec.title,
        confusion=Confusion.count(flags) if pairs and spec.flag_at is not None else None,
        area=auroc([spec.badness(value) for value, _ in pairs], [truth for _, truth in pairs]),
    )


def _value(score: ScoreFacts | None) -> float | None:
    return score.value if score is not None and score.status == Status.OK else None


def _strata(
    cells: Sequence[CellFacts], scores: Scores, scorers: Sequence[ScorerSpec]
) -> dict[str, dict[int, Metric]]:
    """The first scorer's metric by stratum and deployment; nothing where there is only one stratum."""
    groups: defaultdict[str, defaultdict[int, list[CellFacts]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        if not cell.failed:
            groups[cell.stratum][cell.deployment_id].append(cell)
    if len(groups) < 2 or not scorers:
        return {}
    return {
        stratum: {arm: score_metric(scorers[0], members, scores) for arm, members in arms.items()}
        for stratum, arms in sorted(groups.items())
    }

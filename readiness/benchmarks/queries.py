"""Reads for the benchmark pages: figures of a run, and its answers side by side."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from readiness.benchmarks.results import CellFacts, Results, ScoreFacts, summarise
from readiness.datasets.models import DatasetVersion, Example
from readiness.datasets.queries import versions_of
from readiness.evaluations.models import Cell, CellScore, CellState, Run
from readiness.lib.web import row_id
from readiness.projects.models import Project
from readiness.providers.queries import prices_on
from readiness.reviews.marking import Segment, mark_spans
from readiness.scorers.base import Kind, ScorerSpec, Status
from readiness.scorers.registry import SCORERS

_FACTS = (
    "id",
    "example_id",
    "deployment_id",
    "example__stratum",
    "state",
    "latency_ms",
    "ttft_ms",
    "queue_ms",
    "cost_nanos",
    "human_label",
)


def results_of(run: Run) -> Results:
    """The figures of a run, in a few queries. A run that is over does not change: they are cached."""
    key = f"results:{run.id}:{run.finished_at and run.finished_at.timestamp()}"
    if run.is_over and (known := cache.get(key)) is not None:
        results: Results = known
        return results
    fresh = summarise(_cells(run, _unpriced(run)), _scores(run), _specs(run))
    if run.is_over:
        cache.set(key, fresh, timeout=3600)
    return fresh


def _unpriced(run: Run) -> set[int]:
    """Deployments whose price nobody knew when the run began."""
    deployments = run.deployments.select_related("account").prefetch_related("price_overrides")
    return {d.pk for d in deployments if not prices_on(d, run.created_at.date()).known}


def _cells(run: Run, unpriced: Container[int]) -> list[CellFacts]:
    rows = run.cells.filter(state__in=(CellState.DONE, CellState.FAILED)).order_by("id").values_list(*_FACTS)
    return [
        CellFacts(
            id=pk,
            example_id=example_id,
            deployment_id=deployment_id,
            stratum=stratum,
            failed=state == CellState.FAILED,
            latency_ms=latency,
            ttft_ms=ttft,
            queue_ms=queue,
            cost_nanos=None if deployment_id in unpriced else cost,
            human_label=label,
        )
        for pk, example_id, deployment_id, stratum, state, latency, ttft, queue, cost, label in rows
    ]


def _scores(run: Run) -> dict[tuple[int, str], ScoreFacts]:
    rows = CellScore.objects.filter(cell__run=run).values_list("cell_id", "scorer", "status", "value")
    return {(cell_id, scorer): ScoreFacts(status, value) for cell_id, scorer, status, value in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFilters:
    """What the side-by-side page is narrowed to."""

    show: str = ""
    """``failed``, ``flagged``, ``disagree``, ``labelled`` (people found a hallucination), or all."""
    stratum: str = ""
    search: str = ""


def examples_of(run: Run, filters: AnswerFilters) -> QuerySet[Example]:
    """The run's examples that the filters keep, in the dataset's order."""
    examples = Example.objects.filter(version=run.dataset_version).order_by("position")
    if filters.stratum:
        examples = examples.filter(stratum=filters.stratum)
    if filters.search:
        examples = examples.filter(
            Q(question__icontains=filters.search) | Q(reference__icontains=filters.search)
        )
    cells = Cell.objects.filter(run=run, example=OuterRef("pk"))
    match filters.show:
        case "failed":
            return examples.filter(Exists(cells.filter(state=CellState.FAILED)))
        case "flagged":
            return examples.filter(Exists(cells.filter(_flags(run))))
        case "labelled":
            return examples.filter(Exists(cells.filter(human_label=True)))
        case "disagree":
            return examples.filter(pk__in=_disagreements(run))
    return examples


def _disagreements(run: Run) -> QuerySet[Cell, int]:
    """Ids of the examples of which some answers are flagged and some are not."""
    return (
        run.cells.filter(state=CellState.DONE)
        .order_by()
        .values("example_id")
        .annotate(answers=Count("id", distinct=True), flagged=Count("id", filter=_flags(run), distinct=True))
        .filter(flagged__gt=0, flagged__lt=F("answers"))
        .values_list("example_id", flat=True)
    )


def _flags(run: Run) -> Q:
    """Cells that at least one scorer with a threshold flags."""
    flags = Q(pk__in=[])
    for spec in _specs(run):
        if spec.flag_at is not None:
            side = "scores__value__lte" if spec.higher_is_better else "scores__value__gte"
            flags |= Q(scores__scorer=spec.name, **{side: spec.flag_at})
    return flags


def _specs(run: Run) -> list[ScorerSpec]:
    """The run's scorers, but for those that this version no longer has."""
    return [SCORERS[name] for name in run.scorers if name in SCORERS]


def dataset_version_of(project: Project, pk: str) -> DatasetVersion | None:
    """The project's dataset version with this id, as an address names it."""
    number = row_id(pk)
    return versions_of(project).filter(pk=number).first() if number is not None else None


def strata_of(run: Run) -> Sequence[str]:
    return sorted(run.dataset_version.strata)


@dataclass(frozen=True, slots=True)
class ShownScore:
    """A score as the page shows it."""

    title: str
    score: CellScore
    flagged: bool
    advisory: bool

    @property
    def text(self) -> str:
        """The value, or why there is none."""
        value = self.score.value
        if value is None:
            return "Abstained" if self.score.status == Status.ABSTAIN else "Scoring failed"
        return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


@dataclass(frozen=True, slots=True)
class ShownCell:
    """One deployment's answer to an example."""

    cell: Cell
    scores: Sequence[ShownScore]

    @property
    def segments(self) -> list[Segment]:
        """The answer, cut where any scorer found something."""
        findings = [
            {**span, "scorer": shown.score.scorer} for shown in self.scores for span in shown.score.spans
        ]
        return mark_spans(self.cell.output, findings)


@dataclass(frozen=True, slots=True)
class ShownExample:
    example: Example
    cells: Sequence[ShownCell]


def side_by_side(run: Run, examples: Sequence[Example]) -> Iterator[ShownExample]:
    """The answers to a page of examples, in two queries however many deployments there are."""
    cells = (
        run.cells.filter(example__in=examples)
        .select_related("deployment__account")
        .prefetch_related("scores")
        .order_by("deployment__name", "trial")
    )
    by_example: dict[int, list[ShownCell]] = {}
    for cell in cells:
        by_example.setdefault(cell.example_id, []).append(ShownCell(cell, _shown(cell)))
    for example in examples:
        yield ShownExample(example, by_example.get(example.pk, []))


def _shown(cell: Cell) -> list[ShownScore]:
    shown = []
    for score in cell.scores.all():
        spec = SCORERS.get(score.scorer)
        flagged = spec is not None and score.value is not None and spec.flags(score.value)
        advisory = spec is not None and spec.kind is Kind.JUDGE
        shown.append(ShownScore(spec.title if spec else score.scorer, score, flagged, advisory))
    return shown

"""Reads of datasets."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Count, Max, OuterRef, Q, QuerySet, RestrictedError, Subquery
from django.db.models.deletion import Collector

from readiness.datasets.models import Dataset, DatasetVersion, Example, RecordedOutput
from readiness.projects.models import Project


def datasets_of(project: Project) -> QuerySet[Dataset]:
    """The project's datasets with ``version_count``, ``last_import`` and the newest's ``example_count``."""
    newest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-number")
    return Dataset.objects.filter(project=project).annotate(
        version_count=Count("versions"),
        last_import=Max("versions__created_at"),
        example_count=Subquery(newest.values("example_count")[:1]),
    )


def dataset_named(project: Project, name: str) -> Dataset | None:
    """The project's dataset with this slug or, failing that, this name."""
    found = Dataset.objects.filter(Q(slug=name) | Q(name=name), project=project)
    return min(found, key=lambda dataset: dataset.slug != name, default=None)


def latest_version(dataset: Dataset) -> DatasetVersion | None:
    return dataset.versions.order_by("-number").first()


def versions_of(project: Project) -> QuerySet[DatasetVersion]:
    """Every version in the project, newest first within its dataset; for choices in forms."""
    return (
        DatasetVersion.objects.filter(dataset__project=project)
        .select_related("dataset")
        .order_by("dataset__name", "-number")
    )


def recorded_outputs(
    example_ids: Iterable[int], models: Iterable[str]
) -> dict[tuple[int, str, int], RecordedOutput]:
    """Recorded outputs by (example id, model, trial)."""
    rows = RecordedOutput.objects.filter(example_id__in=list(example_ids), model__in=list(models))
    return {(row.example_id, row.model, row.trial): row for row in rows}


def recorded_models(version: DatasetVersion) -> list[str]:
    """Models that have recorded outputs on the version's examples, by name."""
    return list(
        RecordedOutput.objects.filter(example__version=version)
        .values_list("model", flat=True)
        .distinct()
        .order_by("model")
    )


def find_examples(
    version: DatasetVersion, *, words: str = "", stratum: str | None = None
) -> QuerySet[Example]:
    """The version's examples in its order. ``words`` must occur in the question, source, reference or id as
    they are, upper or lower case; ``stratum`` None means all, the empty text those without one.
    """
    examples = version.examples.order_by("position").annotate(output_count=Count("recorded_outputs"))
    if words:
        examples = examples.filter(
            Q(question__icontains=words)
            | Q(source__icontains=words)
            | Q(reference__icontains=words)
            | Q(uid__icontains=words)
        )
    return examples if stratum is None else examples.filter(stratum=stratum)


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumShare:
    """How much of a version one stratum is."""

    name: str
    count: int
    share: float


def strata_of(version: DatasetVersion) -> list[StratumShare]:
    """The version's strata, largest first; the empty name stands for examples without one."""
    counts = sorted(version.strata.items(), key=lambda item: (-item[1], item[0]))
    total = max(version.example_count, 1)
    return [StratumShare(name=name, count=count, share=count / total) for name, count in counts]


def is_used(dataset: Dataset) -> bool:
    """Whether something outside the dataset, such as a run, needs it, so that it cannot be deleted."""
    try:
        Collector(using=DEFAULT_DB_ALIAS, origin=dataset).collect([dataset])
    except RestrictedError:
        return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLabels:
    """What people found in one model's recorded outputs."""

    model: str
    outputs: int
    labelled: int
    hallucinated: int

    @property
    def share(self) -> float | None:
        """Share of the labelled outputs that people found hallucinated; None without a label."""
        return self.hallucinated / self.labelled if self.labelled else None


def labels_by_model(version: DatasetVersion) -> list[ModelLabels]:
    """Counts of recorded outputs and of human labels, by model."""
    rows = (
        RecordedOutput.objects.filter(example__version=version)
        .values("model")
        .annotate(
            outputs=Count("id"),
            labelled=Count("hallucinated"),
            found=Count("id", filter=Q(hallucinated=True)),
        )
        .order_by("model")
    )
    return [
        ModelLabels(
            model=row["model"], outputs=row["outputs"], labelled=row["labelled"], hallucinated=row["found"]
        )
        for row in rows
    ]

"""Reads of datasets."""

from collections.abc import Iterable

from django.db.models import Count, QuerySet

from readiness.datasets.models import Dataset, DatasetVersion, RecordedOutput
from readiness.projects.models import Project


def datasets_of(project: Project) -> QuerySet[Dataset]:
    """The project's datasets with ``version_count``."""
    return Dataset.objects.filter(project=project).annotate(version_count=Count("versions"))


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

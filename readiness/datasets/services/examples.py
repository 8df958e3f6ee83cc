"""Import of examples: look first, then write."""

from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.template.defaultfilters import pluralize

from readiness.accounts.models import User
from readiness.datasets.importers.base import ExampleDraft, ImportRefusedError, Issue
from readiness.datasets.importers.examples import Reading, read_examples
from readiness.datasets.importers.mapping import FieldMapping
from readiness.datasets.models import DatasetVersion
from readiness.datasets.services.versions import freeze, obtain_dataset
from readiness.projects.models import Project

PREVIEWED = 10
"""Examples that a preview shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an import would do, without having done it."""

    columns: list[str]
    mapping: FieldMapping
    rows_ok: int
    issues: list[Issue]
    """The first ones; ``issue_total`` counts all."""
    issue_total: int
    complete: bool
    """False when the file could not be read to its end: then nothing of it can be imported."""
    first: list[ExampleDraft]
    strata: dict[str, int]

    @property
    def importable(self) -> bool:
        """Whether the rows without issues can be imported."""
        return self.complete and self.rows_ok > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleImport:
    """The version that holds the file's examples now."""

    version: DatasetVersion
    created: bool
    """False when a version with the same content was there already."""
    left_out: int
    """Rows with issues that were left out because the caller said so."""


def dry_run(path: Path, file_format: str, mapping: FieldMapping | None = None, *, name: str = "") -> Preview:
    """Reads the whole file and writes nothing. ``name`` is what issues call the file."""
    reading = read_examples(path, file_format, mapping, name=name)
    return Preview(
        columns=reading.columns,
        mapping=reading.mapping,
        rows_ok=len(reading.drafts),
        issues=reading.log.shown,
        issue_total=reading.log.total,
        complete=reading.log.complete,
        first=reading.drafts[:PREVIEWED],
        strata=reading.strata,
    )


def import_examples(
    *,
    project: Project,
    dataset_name: str,
    path: Path,
    file_format: str,
    mapping: FieldMapping | None = None,
    name: str = "",
    leave_out_bad_rows: bool = False,
    by: User | None = None,
) -> ExampleImport:
    """The file as a frozen version of the dataset with this name or slug, which is made where it is missing.

    All or nothing: raises ImportRefusedError when a row has an issue, unless ``leave_out_bad_rows``; a file
    that cannot be read to its end is always refused.
    """
    reading = read_examples(path, file_format, mapping, name=name)
    if not reading.log.complete or not reading.drafts or (reading.log.total and not leave_out_bad_rows):
        raise ImportRefusedError(reading.log)
    left_out = reading.log.rows
    with transaction.atomic():
        dataset = obtain_dataset(project, dataset_name)
        version, created = freeze(
            dataset=dataset,
            drafts=reading.drafts,
            provenance=_provenance(name or path.name, file_format, reading, left_out),
            by=by,
        )
    return ExampleImport(version=version, created=created, left_out=left_out)


def _provenance(name: str, file_format: str, reading: Reading, left_out: int) -> str:
    columns = ", ".join(f"{field} from “{column}”" for field, column in reading.mapping.columns().items())
    missing = f"; {left_out} row{pluralize(left_out)} with issues left out" if left_out else ""
    return f"{name[:100]} ({file_format.upper()}{missing}): {columns}"

"""Reads a file of examples: guesses the mapping, maps every row, finds repeated ids."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from readiness.datasets.importers.base import ExampleDraft, IssueLog, Row
from readiness.datasets.importers.files import read_rows
from readiness.datasets.importers.mapping import FieldMapping, guess, to_draft

ROWS_FOR_GUESS = 200
"""Rows whose columns are looked at for the guess; JSONL rows may differ."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a file of examples holds."""

    columns: list[str]
    mapping: FieldMapping
    drafts: list[ExampleDraft] = field(default_factory=list)
    """The rows without issues, in the file's order."""
    rows_read: int = 0
    log: IssueLog = field(default_factory=IssueLog)

    @property
    def strata(self) -> dict[str, int]:
        """Stratum to number of examples, largest first."""
        return dict(Counter(draft.stratum for draft in self.drafts).most_common())


def read_columns(path: Path, file_format: str) -> list[str]:
    """The columns of the file's first rows; empty where nothing can be read."""
    rows = islice(read_rows(path, file_format, IssueLog()), ROWS_FOR_GUESS)
    return list(dict.fromkeys(column for row in rows for column in row.fields))


def read_examples(
    path: Path, file_format: str, mapping: FieldMapping | None = None, *, name: str = ""
) -> Reading:
    """Everything that can be read. Without ``mapping`` the columns' names decide."""
    log = IssueLog()
    columns = read_columns(path, file_format)
    reading = Reading(columns=columns, mapping=mapping or guess(columns), log=log)
    if columns and (problem := _mapping_problem(reading)):
        log.file = name or path.name
        log.stop(1 if file_format == "csv" else 0, problem)
    else:
        _map_rows(read_rows(path, file_format, log, name), reading)
    return reading


def _mapping_problem(reading: Reading) -> str:
    """What keeps the mapping from fitting the columns; empty if nothing does."""
    found = f"Columns found: {', '.join(reading.columns[:20])}."
    if not reading.mapping.question:
        return f"No column is known to hold the question. {found}"
    missing = [name for name in reading.mapping.columns().values() if name not in reading.columns]
    return f"There is no column “{missing[0]}”. {found}" if missing else ""


def _map_rows(rows: Iterable[Row], reading: Reading) -> None:
    seen: dict[str, ExampleDraft] = {}
    for row in rows:
        reading.rows_read += 1
        draft = to_draft(row, reading.mapping, reading.log)
        if draft is None:
            continue
        if earlier := seen.get(draft.uid):
            reading.log.add(row.number, reading.mapping.id, _repeated(draft, earlier, row, reading.mapping))
            continue
        seen[draft.uid] = draft
        reading.drafts.append(draft)


def _repeated(draft: ExampleDraft, earlier: ExampleDraft, row: Row, mapping: FieldMapping) -> str:
    if mapping.id and row.fields.get(mapping.id) not in (None, ""):
        return f"The id “{draft.uid}” of row {row.number} is already used in row {earlier.row}."
    return f"Row {row.number} repeats the question and source of row {earlier.row}; give each an id."

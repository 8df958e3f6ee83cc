"""One way to read rows of any format."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from readiness.datasets.importers import csv, jsonl
from readiness.datasets.importers.base import MAX_ROWS, IssueLog, Row, UnreadableError
from readiness.datasets.importers.lines import numbered_lines, open_source
from readiness.datasets.importers.mapping import is_usual_name

ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}
"""End of a file's name to its format; each may be followed by ``.gz``."""
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_DEPTH = 20
"""Deepest nesting of a value that is kept."""


def format_of(name: str) -> str | None:
    """``jsonl`` or ``csv`` by the file's name; None for every other kind."""
    return ENDINGS.get(Path(name.lower().removesuffix(".gz")).suffix)


def read_rows(path: Path, file_format: str, log: IssueLog, name: str = "") -> Iterator[Row]:
    """The rows that can be read; everything else is in the log. ``name`` is what issues call the file."""
    log.file = name or path.name
    count = 0
    try:
        with open_source(path) as stream:
            lines = numbered_lines(stream)
            rows = csv.read(lines, log, is_usual_name) if file_format == "csv" else jsonl.read(lines, log)
            for row in rows:
                count += 1
                if count > MAX_ROWS:
                    raise UnreadableError(row.number, f"The file has more than {MAX_ROWS:,} rows; split it.")
                if _is_storable(row, log):
                    yield row
    except UnreadableError as error:
        log.stop(error.row, str(error))
    if not count and not log.total:
        log.stop(0, "The file has no rows.")


def _is_storable(row: Row, log: IssueLog) -> bool:
    """Whether a database can hold every text of the row; adds an issue where not."""
    for column, value in row.fields.items():
        if problem := _problem(column, value):
            log.add(row.number, column.encode(errors="replace").decode(), problem)
            return False
    return True


def _problem(column: str, value: Any) -> str:
    """What keeps a value from being stored; empty if nothing does."""
    waiting: list[tuple[int, Any]] = [(0, column), (0, value)]
    while waiting:
        depth, item = waiting.pop()
        if depth > MAX_DEPTH:
            return f"Nested more than {MAX_DEPTH} levels deep."
        if isinstance(item, dict):
            waiting.extend((depth + 1, part) for pair in item.items() for part in pair)
        elif isinstance(item, list):
            waiting.extend((depth + 1, part) for part in item)
        elif isinstance(item, str):
            if "\0" in item:
                return "Holds a NUL character, which cannot be stored."
            if LONE_SURROGATE.search(item):
                return "Holds half of a character (a lone surrogate such as \\ud800)."
    return ""

"""Decisions as files. Cells of a CSV are kept from being formulas when a spreadsheet opens them."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_jsonl(rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """One JSON object per line; times in ISO 8601."""
    for row in rows:
        yield json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False) + "\n"


def as_csv(rows: Iterable[Mapping[str, object]], header: Iterable[str]) -> Iterator[str]:
    """CSV with a header line. A text that a spreadsheet would run as a formula gets a leading apostrophe."""
    writer = csv.writer(_Line())
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow([_cell(value) for value in row.values()])


class _Line:
    """A file that hands each written line back to its writer's caller."""

    def write(self, line: str) -> str:
        return line


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _cell(value: object) -> object:
    value = _plain(value)
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value

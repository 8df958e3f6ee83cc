"""Trace files: requests that were recorded elsewhere, as CSV with the columns of Azure's public LLM traces.

``t_s`` (seconds since the first request), ``input_tokens``, ``output_tokens``, and optionally ``tier``,
``tenant`` and ``end_user``. Nothing is kept of a file with an issue.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

MAX_BYTES = 5_000_000
"""Of a file, and of what is packed in it."""
MAX_ROWS = 20_000
"""Requests that one preview replays."""
_MAX_SECONDS = 7 * 86_400
_MAX_TOKENS = 10_000_000
_MAX_NAME = 200
_ISSUES_SHOWN = 10

_NEEDED = ("t_s", "input_tokens", "output_tokens")
_OPTIONAL = ("tier", "tenant", "end_user")
_LONGEST_NAMES = {"tier": 40, "tenant": 64, "end_user": _MAX_NAME}


class TraceRow(NamedTuple):
    """One request."""

    at_ms: int
    """Since the first one of the file's clock."""
    input_tokens: int
    output_tokens: int
    tier: str = ""
    tenant: str = ""
    end_user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The requests of a file with what its uploader chose."""

    rows: Sequence[TraceRow]
    """In the order of arrival."""
    left_out: int
    """Requests after the last one that is replayed."""
    deployment_id: int
    mix: Mapping[str, int]
    """Tier → parts of the requests that name none."""

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": [list(row) for row in self.rows],
            "left_out": self.left_out,
            "deployment_id": self.deployment_id,
            "mix": dict(self.mix),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Trace":
        return cls(**{**stored, "rows": [TraceRow(*row) for row in stored["rows"]]})


class TraceError(Exception):
    """A file cannot be replayed. ``issues`` are sentences that name row and column."""

    def __init__(self, *issues: str) -> None:
        super().__init__(" ".join(issues))
        self.issues = issues


def read_trace(content: bytes) -> tuple[list[TraceRow], int]:
    """The first ``MAX_ROWS`` requests by time, and how many follow. Raises ``TraceError``."""
    reader = csv.DictReader(io.StringIO(_text(content), newline=""), strict=True)
    try:
        columns = reader.fieldnames or []
        if missing := [name for name in _NEEDED if name not in columns]:
            raise TraceError(
                f"The first line must name the columns {', '.join(_NEEDED)}; {', '.join(missing)} is missing."
            )
        rows = sorted(_rows(reader), key=lambda row: row.at_ms)
    except csv.Error as error:
        raise TraceError(f"Line {reader.line_num} is no CSV: {error}.") from None
    if not rows:
        raise TraceError("The file has no requests below its first line.")
    return rows[:MAX_ROWS], max(0, len(rows) - MAX_ROWS)


def _text(content: bytes) -> str:
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MAX_BYTES + 1)
        except (OSError, EOFError, zlib.error):
            raise TraceError("The file ends in .gz or begins as one, but cannot be unpacked.") from None
    if len(content) > MAX_BYTES:
        raise TraceError(f"The file holds more than {MAX_BYTES // 1_000_000} MB. Take a shorter stretch.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TraceError("The file is not in UTF-8.") from None


def _rows(reader: "csv.DictReader[str]") -> Iterator[TraceRow]:
    issues: list[str] = []
    for number, fields in enumerate(reader, start=2):
        try:
            row = _row(fields)
        except ValueError as error:
            issues.append(f"Row {number}, column {error}")
            if len(issues) == _ISSUES_SHOWN:
                raise TraceError(*issues, "There may be more.") from None
        else:
            yield row
    if issues:
        raise TraceError(*issues)


def _row(fields: Mapping[str | Any, Any]) -> TraceRow:
    """Raises ``ValueError`` with the column and what is wrong with it."""
    return TraceRow(
        round(_number(fields, "t_s", most=_MAX_SECONDS) * 1000),
        _count(fields, "input_tokens"),
        _count(fields, "output_tokens"),
        *(_name(fields, column) for column in _OPTIONAL),
    )


def _number(fields: Mapping[str, str | None], column: str, *, most: float) -> float:
    text = fields[column] or ""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:
        raise ValueError(f"{column}: “{text[:40]}” is no number from 0 to {most:,}.")
    return value


def _count(fields: Mapping[str, str | None], column: str) -> int:
    value = _number(fields, column, most=_MAX_TOKENS)
    if value != int(value):
        raise ValueError(f"{column}: “{fields[column]}” is no whole number.")
    return int(value)


def _name(fields: Mapping[str, str | None], column: str) -> str:
    text = (fields.get(column) or "").strip()
    if len(text) > _LONGEST_NAMES[column]:
        raise ValueError(f"{column}: longer than {_LONGEST_NAMES[column]} characters.")
    if "\0" in text:
        raise ValueError(f"{column}: holds a NUL character.")
    return text

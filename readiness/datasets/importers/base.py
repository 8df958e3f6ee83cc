"""What every importer speaks: rows of a file, the issues found in them, and the drafts they become."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_LINE_BYTES = 2 * 1024 * 1024
"""Longest line, and for CSV the longest record; a longer one stops the reading at once."""
MAX_FILE_BYTES = 200 * 1024 * 1024
"""Most bytes that are read of one file, counted after unpacking."""
MAX_ROWS = 100_000
"""Most rows of one file."""
MAX_LINES = 1_000_000
"""Most lines of one file: a bound on the work for a file that holds no usable row at all."""
UID_LENGTH = 64
STRATUM_LENGTH = 60
MODEL_LENGTH = 200
SHOWN_ISSUES = 100
"""Issues that are kept with their text; the rest are only counted."""

CONTENT_UID_HEX = 24


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong, where, and in plain words."""

    row: int
    """Line number in the file, from 1, where the record starts; 0 for the file as a whole."""
    column: str
    """Name of the column or key; empty for the whole row."""
    text: str
    file: str = ""

    def __str__(self) -> str:
        places = [self.file, f"row {self.row}" if self.row else "", self.column and f"column {self.column}"]
        place = ", ".join(part for part in places if part)
        return f"{place}: {self.text}" if place else self.text


@dataclass(slots=True)
class IssueLog:
    """Collects issues with bounded memory."""

    file: str = ""
    """Name of the file that is being read; set by the reader."""
    shown: list[Issue] = field(default_factory=list)
    total: int = 0
    rows: int = 0
    """Rows that have at least one issue."""
    _last_row: int = -1
    complete: bool = True
    """False when the reading stopped before the end of the file."""

    def add(self, row: int, column: str, text: str) -> None:
        self.total += 1
        if row != self._last_row:  # a row's issues come one after the other
            self.rows, self._last_row = self.rows + 1, row
        if len(self.shown) < SHOWN_ISSUES:
            self.shown.append(Issue(row=row, column=column, text=text, file=self.file))

    def stop(self, row: int, text: str) -> None:
        """Adds an issue after which nothing more was read."""
        self.complete = False
        self.add(row, "", text)


class UnreadableError(Exception):
    """The file cannot be read beyond a row. The message says why and what to do."""

    def __init__(self, row: int, text: str) -> None:
        super().__init__(text)
        self.row = row


class ImportRefusedError(Exception):
    """Nothing was imported; ``log`` says why."""

    def __init__(self, log: IssueLog) -> None:
        super().__init__(f"{log.total} issue{'' if log.total == 1 else 's'} found; nothing was imported.")
        self.log = log


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file: its line number from 1 and its values by column."""

    number: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleDraft:
    """One example that is not stored yet."""

    row: int
    uid: str
    question: str
    source: str = ""
    reference: str = ""
    stratum: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def canonical(self) -> str:
        """The content as one line of JSON: sorted keys, no spaces, text as it is. The row is not content."""
        content = {
            "uid": self.uid,
            "question": self.question,
            "source": self.source,
            "reference": self.reference,
            "stratum": self.stratum,
            "metadata": dict(self.metadata),
        }
        return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDraft:
    """One recorded answer that is not stored yet."""

    row: int
    uid: str
    """Of the example that it answers."""
    model: str
    text: str
    trial: int
    external_id: str = ""
    hallucinated: bool | None = None
    spans: list[dict[str, Any]] = field(default_factory=list)
    latency_ms: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Recording:
    """Everything that one import of recorded outputs brings."""

    examples: dict[str, ExampleDraft] = field(default_factory=dict)
    """By uid, in the order of the file."""
    outputs: list[OutputDraft] = field(default_factory=list)
    log: IssueLog = field(default_factory=IssueLog)

    @property
    def models(self) -> list[str]:
        return sorted({output.model for output in self.outputs})


def content_uid(question: str, source: str) -> str:
    """An id for an example without one: the start of the SHA-256 of what a model would be shown.

    The reference is left out on purpose: a corrected reference is the same example.
    """
    content = json.dumps([question, source], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:CONTENT_UID_HEX]

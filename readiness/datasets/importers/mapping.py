"""From a file's columns to the fields of an example."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from readiness.datasets.importers.base import (
    STRATUM_LENGTH,
    UID_LENGTH,
    ExampleDraft,
    IssueLog,
    Row,
    content_uid,
)

USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "question": ("question", "vars.question", "query", "prompt", "user_input", "instruction", "input"),
    "source": (
        "source", "vars.source", "context", "contexts", "passage", "passages", "document", "documents",
        "retrieved_contexts",
    ),
    "reference": (
        "reference", "ideal", "expected", "expected_output", "expectedoutput", "target", "ground_truth",
        "best_answer", "answer", "__expected", "output",
    ),
    "stratum": ("stratum", "category", "slice", "tag", "topic"),
    "id": ("id", "uid", "example_id", "question_id", "custom_id", "doc_id"),
}  # fmt: skip
"""Field to the names that files use for it, the most telling first; a nested ``x.name`` counts as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """The column of each field; empty where the file has none. Other columns become metadata."""

    question: str = ""
    source: str = ""
    reference: str = ""
    stratum: str = ""
    id: str = ""

    def columns(self) -> dict[str, str]:
        """Field to column, for those that have one."""
        pairs = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: column for name, column in pairs.items() if column}


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def is_usual_name(name: str) -> bool:
    return any(_plain(name) in names for names in USUAL_NAMES.values())


def guess(columns: Sequence[str]) -> FieldMapping:
    """The mapping that the columns' names suggest; no column is used twice."""
    whole = {_plain(column): column for column in reversed(columns)}
    last = {_plain(column).rpartition(".")[2]: column for column in reversed(columns) if "." in column}
    found: dict[str, str] = {}
    for field, names in USUAL_NAMES.items():
        candidates = [known[name] for known in (whole, last) for name in names if name in known]
        free = (column for column in candidates if column not in found.values())
        found[field] = next(free, "")
    return FieldMapping(**found)


def to_draft(row: Row, mapping: FieldMapping, log: IssueLog) -> ExampleDraft | None:
    """The row as an example; None, with issues, where something is missing or cannot be text."""
    texts: dict[str, str] = {}
    issues = log.total
    for field, column in mapping.columns().items():
        try:
            texts[field] = as_text(row.fields.get(column), joined=field == "source")
        except ValueError as error:
            log.add(row.number, column, str(error))
    uid, stratum = texts.pop("id", "").strip(), texts.pop("stratum", "").strip()
    if "question" in texts and not texts["question"].strip():
        log.add(row.number, mapping.question, "The question is empty.")
    _check_length(row, mapping.id, uid, UID_LENGTH, log)
    _check_length(row, mapping.stratum, stratum, STRATUM_LENGTH, log)
    if log.total > issues:
        return None
    uid = uid or content_uid(texts["question"], texts.get("source", ""))
    return ExampleDraft(
        row=row.number, uid=uid, stratum=stratum, metadata=_rest(row.fields, mapping), **texts
    )


def _check_length(row: Row, column: str, text: str, limit: int, log: IssueLog) -> None:
    if len(text) > limit:
        log.add(row.number, column, f"Longer than {limit} characters ({len(text)}).")


def _rest(values: Mapping[str, Any], mapping: FieldMapping) -> dict[str, Any]:
    used = set(mapping.columns().values())
    return {name: value for name, value in values.items() if name not in used and value not in (None, "")}


def as_text(value: Any, *, joined: bool = False) -> str:
    """A value as text: numbers as JSON writes them, null as empty, a list of one text as that text.

    ``joined``: a list of several texts becomes one, with a blank line between (passages of a source).
    Raises ValueError with plain words for everything else.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        if joined or len(value) <= 1:
            return "\n\n".join(value)
        raise ValueError(f"Holds a list of {len(value)} texts; one text is needed.")
    kind = "a list of objects" if isinstance(value, list) else "an object"
    raise ValueError(f"Holds {kind}; text is needed.")

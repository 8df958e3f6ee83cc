"""Recorded outputs as plain JSONL: one answer per line, with its example or the id of one.

``model`` and ``output`` are required, and ``question`` (with ``source``, ``reference``, ``stratum``) unless
``id`` names an example that the file or the dataset already has. Optional: ``hallucinated``, ``spans``,
``latency_ms``, ``trial``, ``output_id``. Other keys become metadata of the output.
"""

from pathlib import Path

from readiness.datasets.importers.base import ExampleDraft, OutputDraft, Recording, Row
from readiness.datasets.importers.files import read_rows
from readiness.datasets.importers.mapping import FieldMapping, to_draft
from readiness.datasets.importers.outputs import (
    EXTERNAL_ID_LENGTH,
    LONGEST_LATENCY_MS,
    Trials,
    answer_of,
    hallucinated_of,
    model_of,
    optional_text,
    spans_of,
    whole_number,
)

EXAMPLE_MAPPING = FieldMapping(
    id="id", question="question", source="source", reference="reference", stratum="stratum"
)
EXAMPLE_COLUMNS = set(EXAMPLE_MAPPING.columns().values())
OUTPUT_COLUMNS = {"model", "output", "hallucinated", "spans", "latency_ms", "trial", "output_id"}


def read(path: Path) -> Recording:
    recording = Recording()
    trials = Trials()
    for row in read_rows(path, "jsonl", recording.log):
        issues = recording.log.total
        example = _example(row, recording)
        uid = example.uid if example else _uid(row, recording)
        output = _output(row, uid, trials, recording)
        if recording.log.total > issues:
            continue
        if example:
            recording.examples.setdefault(uid, example)
        recording.outputs.append(output)
    return recording


def _uid(row: Row, recording: Recording) -> str:
    uid = optional_text(row, "id", recording.log).strip()
    if not uid:
        recording.log.add(row.number, "question", "The row needs a question, or the id of an example.")
    return uid


def _example(row: Row, recording: Recording) -> ExampleDraft | None:
    """The example that the row spells out; None where it only names one."""
    if row.fields.get("question") in (None, ""):
        return None
    fields = {name: value for name, value in row.fields.items() if name in EXAMPLE_COLUMNS}
    draft = to_draft(Row(row.number, fields), EXAMPLE_MAPPING, recording.log)
    earlier = recording.examples.get(draft.uid) if draft else None
    if draft and earlier and draft.canonical() != earlier.canonical():
        text = f"Row {row.number} describes the example “{draft.uid}” in other words than row {earlier.row}."
        recording.log.add(row.number, "id", text)
    return draft


def _output(row: Row, uid: str, trials: Trials, recording: Recording) -> OutputDraft:
    log = recording.log
    text = answer_of(row, "output", log)
    model = model_of(row, log)
    known = EXAMPLE_COLUMNS | OUTPUT_COLUMNS
    return OutputDraft(
        row=row.number,
        uid=uid,
        model=model,
        text=text,
        trial=trials.of(row, uid, model, log),
        external_id=optional_text(row, "output_id", log, limit=EXTERNAL_ID_LENGTH),
        hallucinated=hallucinated_of(row, log),
        spans=spans_of(row, "spans", "kind", text, log),
        latency_ms=whole_number(row, "latency_ms", log, lowest=0, highest=LONGEST_LATENCY_MS),
        metadata={name: value for name, value in row.fields.items() if name not in known},
    )

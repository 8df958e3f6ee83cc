"""RAGTruth: a file of responses with human spans, and a file of the sources they answer from.

Responses: ``id, source_id, model, response, labels[{start, end, text, label_type}], hallucinated`` and more,
which becomes metadata. Sources: ``source_id, question, source, task``. Either may be gzip.
"""

from pathlib import Path

from readiness.datasets.importers.base import UID_LENGTH, ExampleDraft, OutputDraft, Recording, Row
from readiness.datasets.importers.files import read_rows
from readiness.datasets.importers.mapping import FieldMapping, to_draft
from readiness.datasets.importers.outputs import (
    EXTERNAL_ID_LENGTH,
    Trials,
    answer_of,
    hallucinated_of,
    model_of,
    optional_text,
    required_text,
    spans_of,
)

SOURCE_MAPPING = FieldMapping(id="source_id", question="question", source="source", stratum="task")
OUTPUT_COLUMNS = {"id", "source_id", "model", "response", "labels", "hallucinated", "trial"}


def read(responses: Path, sources: Path) -> Recording:
    """Every source that has an answer becomes an example, every response an output of it."""
    recording = Recording()
    examples = _sources(sources, recording)
    trials = Trials()
    for row in read_rows(responses, "jsonl", recording.log):
        issues = recording.log.total
        output = _output(row, examples, trials, recording)
        if recording.log.total == issues:
            recording.examples.setdefault(output.uid, examples[output.uid])
            recording.outputs.append(output)
    return recording


def _sources(path: Path, recording: Recording) -> dict[str, ExampleDraft]:
    examples: dict[str, ExampleDraft] = {}
    for row in read_rows(path, "jsonl", recording.log):
        required_text(row, "source_id", recording.log)
        draft = to_draft(row, SOURCE_MAPPING, recording.log)
        if draft and draft.uid in examples:
            earlier = examples[draft.uid].row
            text = f"The id “{draft.uid}” of row {row.number} is already used in row {earlier}."
            recording.log.add(row.number, "source_id", text)
        elif draft:
            examples[draft.uid] = draft
    return examples


def _output(row: Row, examples: dict[str, ExampleDraft], trials: Trials, recording: Recording) -> OutputDraft:
    log = recording.log
    uid = required_text(row, "source_id", log, limit=UID_LENGTH)
    if uid and uid not in examples:
        log.add(row.number, "source_id", f"The file of sources has no usable source with the id “{uid}”.")
    text = answer_of(row, "response", log)
    spans = spans_of(row, "labels", "label_type", text, log)
    label = hallucinated_of(row, log)
    if label is not None and label != bool(spans) and row.fields.get("labels") is not None:
        log.add(row.number, "hallucinated", "Says something else than the row's labels.")
    if label is None and row.fields.get("labels") is not None:
        label = bool(spans)
    model = model_of(row, log)
    return OutputDraft(
        row=row.number,
        uid=uid,
        model=model,
        text=text,
        trial=trials.of(row, uid, model, log),
        external_id=optional_text(row, "id", log, limit=EXTERNAL_ID_LENGTH),
        hallucinated=label,
        spans=spans,
        metadata={name: value for name, value in row.fields.items() if name not in OUTPUT_COLUMNS},
    )

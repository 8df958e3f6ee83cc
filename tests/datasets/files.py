"""Files that the tests of datasets write."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_jsonl(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def recorded_row(**values: Any) -> dict[str, Any]:
    """One line of the plain format of recorded outputs."""
    defaults = {
        "id": "q1",
        "question": "How long?",
        "source": "Two years.",
        "model": "small",
        "output": "Two.",
    }
    return defaults | values


def ragtruth_files(folder: Path, responses: list[dict[str, Any]] | None = None) -> tuple[Path, Path]:
    """(responses, sources): two questions, two models, one marked span."""
    sources = [
        {"source_id": "s1", "task": "QA", "question": "How long?", "source": "Two years."},
        {"source_id": "s2", "task": "QA", "question": "Who repairs?", "source": "The shop."},
    ]
    label = {"start": 0, "end": 5, "text": "Three", "label_type": "Evident Conflict"}
    if responses is None:
        responses = [
            _response(id="r1", source_id="s1", model="a", response="Two."),
            _response(id="r2", source_id="s1", model="b", response="Three.", labels=[label], hallucinated=1),
            _response(id="r3", source_id="s2", model="a", response="Shop."),
        ]
    return (
        write_jsonl(folder / "tiny_responses.jsonl", responses),
        write_jsonl(folder / "tiny_sources.jsonl", sources),
    )


def _response(**values: Any) -> dict[str, Any]:
    return {"labels": [], "hallucinated": 0} | values

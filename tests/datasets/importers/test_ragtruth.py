import gzip
import json
from collections import Counter

import pytest

from readiness.datasets.importers import ragtruth
from tests.datasets.files import ragtruth_files


def response(**values):
    defaults = {"id": "r1", "source_id": "s1", "model": "a", "response": "Three years.", "labels": []}
    return defaults | values


def read_one(folder, **values):
    return ragtruth.read(*ragtruth_files(folder, [response(**values)]))


def test_responses_become_outputs_of_their_sources(tmp_path):
    recording = ragtruth.read(*ragtruth_files(tmp_path))
    assert recording.log.total == 0
    assert list(recording.examples) == ["s1", "s2"]
    assert [(output.uid, output.model, output.hallucinated) for output in recording.outputs] == [
        ("s1", "a", False), ("s1", "b", True), ("s2", "a", False),
    ]  # fmt: skip
    assert recording.outputs[1].spans == [{"start": 0, "end": 5, "kind": "Evident Conflict"}]


def test_source_without_an_answer_is_no_example(tmp_path):
    assert list(read_one(tmp_path).examples) == ["s1"]


def test_label_follows_from_the_spans_where_the_file_has_none(tmp_path):
    span = {"start": 0, "end": 5, "text": "Three", "label_type": "Evident Conflict"}
    assert read_one(tmp_path, labels=[span]).outputs[0].hallucinated is True
    assert read_one(tmp_path, labels=[]).outputs[0].hallucinated is False


def test_output_without_labels_is_unlabelled(tmp_path):
    assert read_one(tmp_path, labels=None).outputs[0].hallucinated is None


def test_further_fields_become_metadata(tmp_path):
    assert read_one(tmp_path, temperature=0.7, split="train").outputs[0].metadata == {
        "temperature": 0.7, "split": "train",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "column", "words"),
    [
        ({"source_id": "s9"}, "source_id", "no usable source"),
        ({"source_id": None}, "source_id", "missing"),
        ({"model": ""}, "model", "missing"),
        ({"response": None}, "response", "missing"),
        ({"hallucinated": "yes"}, "hallucinated", "true, false"),
        ({"hallucinated": 1}, "hallucinated", "something else than the row's labels"),
        ({"labels": [{"start": 0, "end": 99}]}, "labels", "not lie inside"),
        ({"labels": [{"start": 0, "end": 5, "text": "Other"}]}, "labels", "not the text that it quotes"),
        ({"labels": [{"start": True, "end": 5}]}, "labels", "not lie inside"),
        ({"labels": "none"}, "labels", "Must be a list"),
    ],
)
def test_issue_names_row_and_column(tmp_path, values, column, words):
    recording = read_one(tmp_path, **values)
    issue = next(issue for issue in recording.log.shown if issue.column == column)
    assert (issue.file, issue.row) == ("tiny_responses.jsonl", 1)
    assert words in issue.text
    assert recording.outputs == []


def test_repeated_source_names_both_rows(tmp_path):
    responses, sources = ragtruth_files(tmp_path)
    sources.write_text(sources.read_text() + sources.read_text().splitlines()[0])
    issue = ragtruth.read(responses, sources).log.shown[0]
    assert (issue.file, issue.row) == ("tiny_sources.jsonl", 3)
    assert "already used in row 1" in issue.text


@pytest.mark.shared_data
def test_real_file_has_the_counts_of_a_direct_count(shared_data):
    folder = shared_data / "outputs"
    responses = folder / "ragtruth_qa_responses.jsonl.gz"
    recording = ragtruth.read(responses, folder / "ragtruth_qa_sources.jsonl.gz")
    with gzip.open(responses, "rt") as lines:
        direct = [json.loads(line) for line in lines]
    assert (len(recording.outputs), len(recording.examples), len(recording.models)) == (3356, 839, 4)
    assert recording.log.total == 0
    assert Counter((row.model, row.hallucinated) for row in recording.outputs) == Counter(
        (row["model"], bool(row["hallucinated"])) for row in direct
    )
    assert Counter(span["kind"] for row in recording.outputs for span in row.spans) == Counter(
        label["label_type"] for row in direct for label in row["labels"]
    )

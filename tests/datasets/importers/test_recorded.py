import pytest

from readiness.datasets.importers import recorded
from tests.datasets.files import recorded_row, write_jsonl


def read(folder, *rows):
    return recorded.read(write_jsonl(folder / "answers.jsonl", rows))


def test_row_becomes_an_example_and_an_output(tmp_path):
    span = {"start": 0, "end": 3, "kind": "conflict"}
    row = recorded_row(
        hallucinated=True, spans=[span], latency_ms=240, output_id="o1", seed=7, stratum="short"
    )
    recording = read(tmp_path, row)
    example, output = recording.examples["q1"], recording.outputs[0]
    assert (example.question, example.source, example.stratum) == ("How long?", "Two years.", "short")
    assert (output.uid, output.model, output.text, output.trial) == ("q1", "small", "Two.", 1)
    assert (output.hallucinated, output.spans, output.latency_ms) == (True, [span], 240)
    assert (output.external_id, output.metadata) == ("o1", {"seed": 7})


def test_example_may_be_told_once_and_named_afterwards(tmp_path):
    recording = read(tmp_path, recorded_row(), {"id": "q1", "model": "large", "output": "Two years."})
    assert recording.log.total == 0
    assert [output.uid for output in recording.outputs] == ["q1", "q1"]


def test_answers_of_one_model_are_numbered_as_trials(tmp_path):
    recording = read(tmp_path, recorded_row(), recorded_row(trial=3), recorded_row(output="Both."))
    assert [output.trial for output in recording.outputs] == [1, 3, 2]


def test_empty_answer_is_an_answer(tmp_path):
    assert read(tmp_path, recorded_row(output="")).outputs[0].text == ""


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"output": None}, "output"),
        ({"model": None}, "model"),
        ({"model": "x" * 201}, "model"),
        ({"id": None, "question": None}, "question"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"latency_ms": "fast"}, "latency_ms"),
        ({"trial": 0}, "trial"),
        ({"hallucinated": "no"}, "hallucinated"),
        ({"spans": [{"start": 3, "end": 3}]}, "spans"),
        ({"output_id": "x" * 101}, "output_id"),
    ],
)
def test_issue_names_row_and_column(tmp_path, values, column):
    recording = read(tmp_path, recorded_row(id="q0"), recorded_row(**values))
    assert [(issue.row, issue.column) for issue in recording.log.shown] == [(2, column)]
    assert len(recording.outputs) == 1


def test_example_told_in_two_ways_names_both_rows(tmp_path):
    recording = read(tmp_path, recorded_row(), recorded_row(model="large", source="Three years."))
    assert "Row 2 describes the example “q1” in other words than row 1" in recording.log.shown[0].text


def test_same_trial_twice_names_the_earlier_row(tmp_path):
    recording = read(tmp_path, recorded_row(trial=2), recorded_row(trial=2))
    assert "Row 1 already holds trial 2" in recording.log.shown[0].text

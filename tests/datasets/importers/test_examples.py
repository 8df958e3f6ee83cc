import json

import pytest

from readiness.datasets.importers.examples import read_columns, read_examples
from readiness.datasets.importers.mapping import FieldMapping


def read(path, *records, mapping=None):
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return read_examples(path, "jsonl", mapping)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "questions.jsonl"


def test_columns_are_those_of_any_row(path):
    reading = read(path, {"question": "a"}, {"question": "b", "context": "c"})
    assert reading.columns == read_columns(path, "jsonl") == ["question", "context"]
    assert reading.drafts[1].source == "c"


def test_repeated_id_names_both_rows(path):
    reading = read(path, {"id": 1, "question": "a"}, {"id": 2, "question": "b"}, {"id": 1, "question": "c"})
    assert [draft.uid for draft in reading.drafts] == ["1", "2"]
    assert "row 3 is already used in row 1" in str(reading.log.shown[0])


def test_repeated_content_without_ids_names_both_rows(path):
    reading = read(path, {"question": "a"}, {"question": "a"})
    assert "Row 2 repeats the question and source of row 1" in str(reading.log.shown[0])


def test_file_without_a_question_column_is_one_issue_that_lists_the_columns(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("text,number\na,1\nb,2\n")
    reading = read_examples(path, "csv")
    assert (reading.log.total, reading.log.complete, reading.log.shown[0].row) == (1, False, 1)
    assert "Columns found: text, number" in reading.log.shown[0].text


def test_mapping_to_an_absent_column_is_one_issue(path):
    reading = read(path, {"question": "a"}, {"question": "b"}, mapping=FieldMapping(question="frage"))
    assert (reading.log.total, reading.drafts) == (1, [])
    assert "no column “frage”" in reading.log.shown[0].text


def test_mapping_wins_over_the_guess(path):
    reading = read(path, {"question": "a", "other": "b"}, mapping=FieldMapping(question="other"))
    assert (reading.drafts[0].question, reading.drafts[0].metadata) == ("b", {"question": "a"})


def test_strata_are_counted_largest_first(path):
    reading = read(path, *({"question": str(n), "stratum": "b" if n else "a"} for n in range(3)))
    assert list(reading.strata.items()) == [("b", 2), ("a", 1)]


@pytest.mark.shared_data
def test_genuine_files_of_other_tools_are_read(shared_data):
    expected = {
        "converted_langfuse_dataset_items.jsonl": 6,
        "converted_lm_eval_log_samples.jsonl": 6,
        "inspect_biology_qa.jsonl": 20,
        "inspect_mcq.csv": 1,
        "inspect_samples_md.csv": 1,
    }
    folder = shared_data / "formats"
    read = {name: read_examples(folder / name, name.rpartition(".")[2]) for name in expected}
    assert {name: len(reading.drafts) for name, reading in read.items()} == expected
    assert sum(reading.log.total for reading in read.values()) == 0


def test_issues_come_in_the_order_of_the_file(path):
    path.write_text('{"question": ""}\nbroken\n{"question": "", "id": 3}\n')
    assert [issue.row for issue in read_examples(path, "jsonl").log.shown] == [1, 2, 3]

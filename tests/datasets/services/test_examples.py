import pytest

from readiness.datasets.importers.base import ImportRefusedError
from readiness.datasets.models import Dataset, DatasetVersion
from readiness.datasets.services import dry_run, import_examples
from tests.datasets.files import write_jsonl

QUESTIONS = [
    {"id": f"q{n}", "question": f"Question {n}?", "stratum": "even" if n % 2 == 0 else "odd"}
    for n in range(5)
]


@pytest.fixture
def path(tmp_path):
    return write_jsonl(tmp_path / "questions.jsonl", QUESTIONS)


def bring(project, path, **values):
    return import_examples(
        **({"project": project, "dataset_name": "Questions", "path": path, "file_format": "jsonl"} | values)
    )


def test_import_makes_a_frozen_version(project, path, alice):
    result = bring(project, path, by=alice)
    version = result.version
    assert (result.created, version.number, version.example_count, version.created_by) == (True, 1, 5, alice)
    assert version.strata == {"even": 3, "odd": 2}
    assert list(version.examples.values_list("uid", flat=True)) == ["q0", "q1", "q2", "q3", "q4"]
    assert "questions.jsonl (JSONL)" in version.provenance


def test_same_content_in_another_order_is_the_same_version(project, path, tmp_path):
    first = bring(project, path)
    again = bring(project, write_jsonl(tmp_path / "again.jsonl", reversed(QUESTIONS)))
    assert (again.created, again.version) == (False, first.version)
    assert DatasetVersion.objects.count() == 1


def test_other_content_is_the_next_version(project, path, tmp_path):
    bring(project, path)
    result = bring(project, write_jsonl(tmp_path / "more.jsonl", [*QUESTIONS, {"question": "New?"}]))
    assert (result.version.number, Dataset.objects.count()) == (2, 1)


def test_dataset_is_found_by_slug_as_well(project, path):
    bring(project, path, dataset_name="My questions")
    assert bring(project, path, dataset_name="my-questions").created is False


def test_dataset_never_takes_the_address_of_the_import_page(project, path):
    assert bring(project, path, dataset_name="Import").version.dataset.slug == "import-2"


def test_bad_row_refuses_everything(project, tmp_path):
    path = write_jsonl(tmp_path / "bad.jsonl", [*QUESTIONS, {"id": "q9", "question": ""}])
    with pytest.raises(ImportRefusedError) as caught:
        bring(project, path)
    assert [issue.row for issue in caught.value.log.shown] == [6]
    assert not Dataset.objects.exists()


def test_bad_rows_may_be_left_out(project, tmp_path):
    path = write_jsonl(tmp_path / "bad.jsonl", [*QUESTIONS, {"question": "", "stratum": "x" * 61}])
    result = bring(project, path, leave_out_bad_rows=True)
    assert (result.version.example_count, result.left_out) == (5, 1)
    assert "1 row with issues left out" in result.version.provenance


def test_file_that_breaks_off_is_refused_even_without_its_bad_rows(project, path):
    with path.open("ab") as file:
        file.write(b"x" * 3_000_000)
    with pytest.raises(ImportRefusedError):
        bring(project, path, leave_out_bad_rows=True)


def test_file_without_one_good_row_is_refused(project, tmp_path):
    path = write_jsonl(tmp_path / "bad.jsonl", [{"question": ""}])
    with pytest.raises(ImportRefusedError):
        bring(project, path, leave_out_bad_rows=True)


def test_dry_run_says_what_would_be_imported_and_writes_nothing(db, path):
    preview = dry_run(path, "jsonl")
    assert (preview.rows_ok, preview.issue_total, preview.importable) == (5, 0, True)
    assert (preview.mapping.question, preview.strata) == ("question", {"even": 3, "odd": 2})
    assert not Dataset.objects.exists()

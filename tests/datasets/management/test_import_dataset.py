from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from readiness.datasets.models import DatasetVersion, Example
from tests.datasets.files import write_jsonl


def run(*arguments):
    out = StringIO()
    call_command("import_dataset", "--project", "handbook", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def path(tmp_path):
    return write_jsonl(
        tmp_path / "questions.jsonl", [{"question": "a", "text": "b"}, {"question": "c", "text": ""}]
    )


def test_import_says_what_came(project, path):
    assert "Imported questions v1: 2 examples" in run(path)
    assert "Nothing new: the same content is already questions v1" in run(path)


def test_dry_run_writes_nothing(project, path):
    assert "2 rows can be imported: question from “question”" in run(path, "--dry-run")
    assert not DatasetVersion.objects.exists()


def test_mapping_can_be_told(project, path):
    run(path, "--map", "source=text")
    assert Example.objects.get(question="a").source == "b"


@pytest.mark.parametrize("pair", ["source", "colour=text"])
def test_mapping_of_an_unknown_field_is_refused(project, path, pair):
    with pytest.raises(CommandError, match="write FIELD=COLUMN"):
        run(path, "--map", pair)


def test_issue_refuses_the_file_and_names_row_and_column(project, path):
    with pytest.raises(CommandError, match=r"1 issue\.\n  questions\.jsonl, row 2, column text: .*empty"):
        run(path, "--map", "question=text")


def test_bad_rows_can_be_left_out(project, path):
    assert "Left out 1 row " in run(path, "--map", "question=text", "--leave-out-bad-rows")


def test_unknown_kind_of_file_is_refused(project, tmp_path):
    with pytest.raises(CommandError, match=r"must end in \.jsonl"):
        run(tmp_path / "table.xlsx")

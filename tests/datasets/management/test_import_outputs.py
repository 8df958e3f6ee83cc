from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from readiness.datasets.models import DatasetVersion, RecordedOutput
from readiness.projects.models import Project
from tests.datasets.files import ragtruth_files, recorded_row, write_jsonl


def run(*arguments):
    out = StringIO()
    call_command("import_outputs", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def files(tmp_path):
    responses, sources = ragtruth_files(tmp_path)
    return ("--format", "ragtruth", responses, "--sources", sources)


def test_import_says_what_came_and_what_to_run_next(project, files):
    text = run("--project", "handbook", *files)
    assert "Imported 3 outputs of 2 models on 2 examples into the new version tiny v1." in text
    assert "b: 1 outputs, 1 of 1 labelled hallucinated by people" in text
    assert "python manage.py benchmark run --project handbook --dataset tiny --recorded" in text


def test_second_import_says_that_nothing_is_new(project, files):
    run("--project", "handbook", *files)
    assert "Nothing new: tiny v1 already holds 3 outputs" in run("--project", "handbook", *files)


def test_dry_run_writes_nothing(project, files):
    assert "3 outputs of 2 models on 2 examples can be imported" in run(
        "--project", "handbook", "--dry-run", *files
    )
    assert not DatasetVersion.objects.exists()


def test_dataset_name_can_be_chosen(project, files):
    run("--project", "handbook", "--dataset", "Real answers", *files)
    assert DatasetVersion.objects.get().dataset.slug == "real-answers"


def test_plain_format_needs_no_sources(project, tmp_path):
    path = write_jsonl(tmp_path / "answers.jsonl", [recorded_row()])
    run("--project", "handbook", "--format", "jsonl", path)
    assert RecordedOutput.objects.get().example.version.dataset.slug == "answers"


def test_missing_project_lists_the_others_and_the_way_out(project, files):
    with pytest.raises(CommandError, match=r"no project “other”. Projects: handbook. Add --create-project"):
        run("--project", "other", *files)


def test_project_is_made_on_request(db, files):
    run("--project", "other", "--create-project", *files)
    assert Project.objects.get().slug == "other"


def test_project_with_an_impossible_slug_is_refused(db, files):
    with pytest.raises(CommandError, match="letters, digits"):
        run("--project", "no slug", "--create-project", *files)


def test_missing_file_is_named(project, files, tmp_path):
    with pytest.raises(CommandError, match=r"There is no file .*absent\.gz"):
        run("--project", "handbook", *files[:2], tmp_path / "absent.gz", *files[3:])


def test_missing_sources_are_asked_for(project, files):
    with pytest.raises(CommandError, match="needs --sources"):
        run("--project", "handbook", *files[:3])


def test_broken_line_is_named_with_its_row(project, files):
    files[2].write_text(files[2].read_text() + "{broken\n")
    with pytest.raises(CommandError, match=r"tiny_responses\.jsonl, row 4: Not valid JSON"):
        run("--project", "handbook", *files)
    assert not DatasetVersion.objects.exists()


def test_conflict_with_what_is_stored_is_explained(project, tmp_path):
    path = write_jsonl(tmp_path / "answers.jsonl", [recorded_row()])
    run("--project", "handbook", "--format", "jsonl", path)
    write_jsonl(path, [recorded_row(output="Other.")])
    with pytest.raises(CommandError, match=r"answers\.jsonl, row 1, column output: Another answer"):
        run("--project", "handbook", "--format", "jsonl", path)

"""A team's own production answers: all lines or none, and never twice."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from readiness.inference.models import LoggedAnswer
from readiness.quality.services import imports
from readiness.quality.services.imports import ImportRefusedError, import_answers
from tests.builders import make_account, make_deployment

LINE = {"question": "How long?", "output": "Two years.", "at": "2026-03-01T10:00:00Z"}


def load(project, *lines):
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return import_answers(project=project, file=io.BytesIO(text.encode()))


def test_import_writes_every_field(project):
    deployment = make_deployment(make_account(project, simulated=True), model="gpt")
    load(project, LINE | {"source": "Two years.", "model": "gpt", "stratum": "warranty"})
    answer = LoggedAnswer.objects.get()
    assert (answer.deployment, answer.simulated, answer.stratum) == (deployment, True, "warranty")
    assert (answer.question, answer.output, answer.source) == ("How long?", "Two years.", "Two years.")


def test_importing_a_file_twice_adds_nothing(project):
    assert load(project, LINE, LINE | {"output": "Three."}) == (2, 0)
    assert load(project, LINE, LINE | {"output": "Three."}) == (0, 2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{broken", "Line 2: it is not JSON"),
        ("[1]", "Line 2: the line"),
        ({"question": "Q", "output": "A"}, "Line 2: at: Field required"),
        (LINE | {"at": "2026-03-01T10:00:00"}, "Line 2: at: Input should have timezone info"),
        (LINE | {"question": "  "}, "Line 2: question"),
        (LINE | {"anwser": "?"}, "Line 2: anwser: Extra inputs are not permitted"),
        (LINE | {"model": "unheard-of"}, "the project knows no deployment “unheard-of”"),
        (LINE | {"stratum": "s" * 61}, "Line 2: stratum"),
    ],
)
def test_bad_line_is_named_and_nothing_is_written(project, line, words):
    with pytest.raises(ImportRefusedError) as refused:
        load(project, LINE, line)
    assert words in str(refused.value)
    assert not LoggedAnswer.objects.exists()


def test_endless_line_is_refused_without_being_read(project, monkeypatch):
    monkeypatch.setattr(imports, "LONGEST_LINE", 100)
    file = io.BytesIO(b"x" * 10_000)
    with pytest.raises(ImportRefusedError, match="Line 1 is longer than 100 bytes"):
        import_answers(project=project, file=file)
    assert file.tell() == 101


def test_command_says_what_was_imported(project, tmp_path, capsys):
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps(LINE))
    call_command("import_answers", file, project=project.slug)
    assert capsys.readouterr().out == "1 answers imported, 0 were there already.\n"


def test_command_names_a_missing_file_and_project(project, tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_answers", tmp_path / "none.jsonl", project=project.slug)
    with pytest.raises(CommandError, match="no project “nope”"):
        call_command("import_answers", tmp_path / "none.jsonl", project="nope")

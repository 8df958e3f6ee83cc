import pytest

from readiness.datasets.importers.base import IssueLog, Row, content_uid
from readiness.datasets.importers.mapping import FieldMapping, as_text, guess, to_draft

MAPPING = FieldMapping(question="q", source="s", reference="r", stratum="g", id="key")


def draft(**fields):
    log = IssueLog()
    return to_draft(Row(7, fields), MAPPING, log), log


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["question", "context", "answer"],
         {"question": "question", "source": "context", "reference": "answer"}),
        (["input", "ideal"], {"question": "input", "reference": "ideal"}),
        (["vars.question", "vars.topic"], {"question": "vars.question", "stratum": "vars.topic"}),
        (["id", "input.question", "input.context"],
         {"id": "id", "question": "input.question", "source": "input.context"}),
        (["Prompt", "Expected Output", "UID"],
         {"question": "Prompt", "reference": "Expected Output", "id": "UID"}),
        (["instruction", "input", "output"], {"question": "instruction", "reference": "output"}),
        (["text", "number"], {}),
    ],
)  # fmt: skip
def test_guess_finds_usual_names(columns, expected):
    assert guess(columns).columns() == expected


def test_guess_uses_no_column_twice():
    assert guess(["prompt"]).columns() == {"question": "prompt"}


def test_draft_takes_the_mapped_columns_and_keeps_the_rest_as_metadata():
    found, log = draft(q="Why?", s="Because.", r="So", g="odd", key=" 7 ", lang="en", empty="", nothing=None)
    assert (found.question, found.source, found.reference, found.stratum) == ("Why?", "Because.", "So", "odd")
    assert (found.uid, found.row, found.metadata, log.total) == ("7", 7, {"lang": "en"}, 0)


def test_draft_without_an_id_is_named_by_question_and_source():
    first, _ = draft(q="Why?", s="Because.", r="So")
    corrected, _ = draft(q="Why?", s="Because.", r="Better")
    other, _ = draft(q="Why?", s="Since.")
    assert first.uid == corrected.uid == content_uid("Why?", "Because.")
    assert other.uid != first.uid


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"q": " "}, "q"),
        ({"s": "only a source"}, "q"),
        ({"q": [{"role": "user"}]}, "q"),
        ({"q": "Why?", "r": ["a", "b"]}, "r"),
        ({"q": "Why?", "key": "x" * 65}, "key"),
        ({"q": "Why?", "g": "x" * 61}, "g"),
    ],
)
def test_draft_names_row_and_column_of_what_is_wrong(fields, column):
    found, log = draft(**fields)
    assert found is None
    assert [(issue.row, issue.column) for issue in log.shown] == [(7, column)]


def test_draft_names_every_column_that_is_wrong():
    _, log = draft(q="", r=["a", "b"], g="x" * 61)
    assert [issue.column for issue in log.shown] == ["r", "q", "g"]


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), ("é\n", "é\n"), (206, "206"), (True, "true"), (["one"], "one"), ([], "")]
)
def test_as_text_writes_simple_values(value, text):
    assert as_text(value) == text


def test_as_text_joins_passages():
    assert as_text(["first", "second"], joined=True) == "first\n\nsecond"

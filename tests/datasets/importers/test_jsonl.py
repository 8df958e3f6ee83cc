import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.datasets.importers import jsonl
from readiness.datasets.importers.base import IssueLog
from readiness.datasets.importers.lines import numbered_lines

names = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda name: "." not in name)
texts = st.text(st.characters(codec="utf-8"))
floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | st.integers() | floats | texts
records = st.dictionaries(names, values, min_size=1, max_size=4)


def read(content: bytes):
    log = IssueLog()
    rows = list(jsonl.read(numbered_lines(io.BytesIO(content)), log))
    return rows, log


@given(st.lists(records))
def test_records_come_back_as_they_were_written(written):
    rows, log = read("".join(f"{json.dumps(record)}\n" for record in written).encode())
    assert [dict(row.fields) for row in rows] == written
    assert log.total == 0


@given(st.lists(st.sampled_from(["good", "bad", "blank"])))
def test_every_issue_and_row_has_its_line_number(kinds):
    text = {"good": '{"question": "?"}', "bad": '{"question": ', "blank": " "}
    rows, log = read("\n".join(text[kind] for kind in kinds).encode())
    assert [row.number for row in rows] == [n for n, kind in enumerate(kinds, 1) if kind == "good"]
    assert [issue.row for issue in log.shown] == [n for n, kind in enumerate(kinds, 1) if kind == "bad"]


def test_nested_objects_become_dotted_columns():
    rows, _ = read(b'{"vars": {"question": "Why?", "more": {"deep": {"kept": 1}}}, "empty": {}}')
    assert rows[0].fields == {"vars.question": "Why?", "vars.more.deep": {"kept": 1}, "empty": {}}


def test_two_values_under_one_dotted_name_are_an_issue():
    rows, log = read(b'{"a.b": 1, "a": {"b": 2}}')
    assert rows == []
    assert log.shown[0].column == "a.b"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"question": "Why"', "Not valid JSON at character 19"),
        (b'["Why?"]', "found a list"),
        (b'"Why?"', "found a text"),
        (b"null", "found null"),
        (b'{"score": NaN}', "NaN is not a JSON number"),
        (b'{"score": 1e999}', "too large"),
        (b'{"question": "caf\xe9"}', "Not UTF-8: byte 0xE9 at position 18"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_line_that_is_no_object_is_explained(line, words):
    rows, log = read(b'{"question": "first"}\n' + line + b'\n{"question": "last"}\n')
    assert [row.number for row in rows] == [1, 3]
    assert [issue.row for issue in log.shown] == [2]
    assert words in log.shown[0].text

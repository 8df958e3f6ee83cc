import pytest

from readiness.datasets.importers import files
from readiness.datasets.importers.base import IssueLog
from readiness.datasets.importers.files import format_of, read_rows


def read(path, content: bytes, file_format="jsonl"):
    path.write_bytes(content)
    log = IssueLog()
    return list(read_rows(path, file_format, log)), log


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl", "jsonl"),
        ("A.CSV", "csv"),
        ("a.b.tsv.gz", "csv"),
        ("a.xlsx", None),
        ("a.gz", None),
        ("", None),
    ],
)
def test_format_is_known_by_the_name(name, expected):
    assert format_of(name) == expected


@pytest.mark.parametrize(("content", "file_format"), [(b"", "jsonl"), (b"\n\n", "jsonl"), (b"", "csv")])
def test_empty_file_is_an_issue(tmp_path, content, file_format):
    _, log = read(tmp_path / "file", content, file_format)
    assert (log.complete, log.shown[0].text) == (False, "The file has no rows.")


def test_more_rows_than_allowed_stop_the_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_ROWS", 2)
    rows, log = read(tmp_path / "file", b'{"a": 1}\n' * 3)
    assert (len(rows), log.complete, log.shown[0].row) == (2, False, 3)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (rb'{"question": "\u0000"}', "NUL"),
        (rb'{"question": "\ud800"}', "half of a character"),
        (rb'{"\ud800": "text"}', "half of a character"),
        (rb'{"list": [{"key": "\u0000"}]}', "NUL"),
        (b'{"list": ' + b"[" * 30 + b"]" * 30 + b"}", "levels deep"),
    ],
)
def test_text_that_no_database_holds_is_an_issue(tmp_path, line, words):
    rows, log = read(tmp_path / "file", line)
    assert rows == []
    assert words in str(log.shown[0])
    str(log.shown[0]).encode()


def test_issues_name_the_file(tmp_path):
    _, log = read(tmp_path / "questions.jsonl", b"broken")
    assert str(log.shown[0]).startswith("questions.jsonl, row 1: Not valid JSON")


def test_issues_beyond_the_bound_are_counted_only(tmp_path):
    _, log = read(tmp_path / "file", b"broken\n" * 250)
    assert (log.total, log.rows, len(log.shown)) == (250, 250, 100)

import csv as standard_csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.datasets.importers import csv
from readiness.datasets.importers.base import IssueLog, UnreadableError
from readiness.datasets.importers.lines import numbered_lines
from readiness.datasets.importers.mapping import is_usual_name

cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def read(content: str | bytes):
    log = IssueLog()
    raw = content.encode() if isinstance(content, str) else content
    rows = list(csv.read(numbered_lines(io.BytesIO(raw)), log, is_usual_name))
    return rows, log


def write(table: list[list[str]], delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    standard_csv.writer(text, delimiter=delimiter, quoting=standard_csv.QUOTE_ALL).writerows(table)
    return text.getvalue()


@given(st.lists(st.tuples(cells, cells, cells)), st.sampled_from(csv.DELIMITERS))
def test_cells_come_back_as_they_were_written(table, delimiter):
    header = ["question", "source", "note"]
    rows, log = read(write([header, *map(list, table)], delimiter))
    assert [tuple(row.fields.values()) for row in rows] == table
    assert log.total == 0


@given(st.lists(st.sampled_from(["one line", "three\nlines\nlong", "too,many", "not utf-8"])))
def test_every_issue_and_row_has_the_line_number_of_its_start(kinds):
    content, line = b"id,question\n", 2
    good, bad = [], []
    for kind in kinds:
        field = {"too,many": b"a,b", "not utf-8": b"caf\xe9"}.get(kind, b'"' + kind.encode() + b'"')
        (bad if kind in ("too,many", "not utf-8") else good).append(line)
        content += b"1," + field + b"\n"
        line += 1 + field.count(b"\n")
    rows, log = read(content)
    assert [row.number for row in rows] == good
    assert [issue.row for issue in log.shown] == bad[:100]


@pytest.mark.parametrize("delimiter", csv.DELIMITERS)
def test_delimiter_is_found(delimiter):
    rows, _ = read(delimiter.join(["question", "reference"]) + "\n" + delimiter.join(["Why?", "So"]) + "\n")
    assert rows[0].fields == {"question": "Why?", "reference": "So"}


def test_delimiter_that_yields_usual_names_wins_over_one_that_yields_more():
    rows, _ = read("question;note, with, commas\nWhy?;x\n")
    assert list(rows[0].fields) == ["question", "note, with, commas"]


def test_byte_order_mark_and_windows_line_ends_are_no_content():
    rows, log = read(b"\xef\xbb\xbfquestion,reference\r\nWhy?,So\r\n")
    assert rows[0].fields == {"question": "Why?", "reference": "So"}
    assert log.total == 0


def test_invalid_bytes_inside_a_quoted_field_are_named_by_their_own_line():
    rows, log = read(b'question,reference\n"one\ncaf\xe9\nthree",x\nlast,y\n')
    assert [issue.row for issue in log.shown] == [3]
    assert [row.number for row in rows] == [5]


def test_quote_that_is_never_closed_is_named_by_the_row_where_it_opens():
    rows, log = read('question,reference\nWhy?,So\n"open,x\nmore,y\n')
    assert [row.number for row in rows] == [2]
    assert [(issue.row, "never closed" in issue.text) for issue in log.shown] == [(3, True)]


def test_endless_quote_is_refused_in_the_row_where_it_opens():
    content = b'question\n"open\n' + b"x" * 1000 + b"\n"
    log = IssueLog()
    endless = (
        (number, content.splitlines(keepends=True)[min(number - 1, 2)]) for number in range(1, 10_000_000)
    )
    with pytest.raises(UnreadableError, match="not closed within 2 MB") as caught:
        list(csv.read(endless, log))
    assert caught.value.row == 2


def test_text_after_a_closing_quote_is_explained_and_the_next_row_is_read():
    rows, log = read('question,reference\n"Why" not?,So\nNext,So\n')
    assert [issue.row for issue in log.shown] == [2]
    assert "Text follows a closing quote" in log.shown[0].text
    assert [row.number for row in rows] == [3]


def test_column_named_twice_stops_the_import():
    rows, log = read("question,question\nWhy?,So\n")
    assert rows == []
    assert (log.complete, log.shown[0].row) == (False, 1)


def test_column_without_a_name_is_numbered():
    rows, _ = read("question,,\nWhy?,a,b\n")
    assert list(rows[0].fields) == ["question", "column 2", "column 3"]


def test_field_longer_than_the_usual_limit_of_csv_is_read():
    rows, log = read("question\n" + "x" * 500_000 + "\n")
    assert (len(rows[0].fields["question"]), log.total) == (500_000, 0)

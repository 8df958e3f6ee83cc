"""Decisions as files."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from readiness.reviews.exports import as_csv, as_jsonl

ROW = {"at": datetime(2026, 3, 1, tzinfo=UTC), "note": 'a "quote",\nand a line', "seconds": 3}


def test_jsonl_is_one_object_per_line():
    (line,) = as_jsonl([ROW])
    assert line.count("\n") == 1
    assert json.loads(line) == ROW | {"at": "2026-03-01T00:00:00+00:00"}


def test_csv_reads_back_as_it_was():
    rows = list(csv.reader(io.StringIO("".join(as_csv([ROW], ROW)))))
    assert rows == [list(ROW), ["2026-03-01T00:00:00+00:00", 'a "quote",\nand a line', "3"]]


@pytest.mark.parametrize("start", list("=+-@\t"))
def test_csv_never_holds_a_formula(start):
    *_, row = csv.reader(io.StringIO("".join(as_csv([{"note": f"{start}cmd()"}], ["note"]))))
    assert row == [f"'{start}cmd()"]

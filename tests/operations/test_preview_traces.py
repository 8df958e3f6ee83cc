"""Trace files: what is read, and what is said of those that cannot be."""

import gzip
from pathlib import Path

import pytest

from readiness.operations.preview_traces import MAX_BYTES, MAX_ROWS, Trace, TraceError, TraceRow, read_trace

HEADER = "t_s,input_tokens,output_tokens"


def trace(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines]).encode()


def issues_of(content: bytes) -> tuple[str, ...]:
    with pytest.raises(TraceError) as caught:
        read_trace(content)
    return caught.value.issues


def test_rows_of_azures_columns_are_read() -> None:
    assert read_trace(trace("0.0,4808,10", "0.052,3180,8")) == (
        [TraceRow(0, 4808, 10), TraceRow(52, 3180, 8)],
        0,
    )


def test_optional_columns_are_read() -> None:
    (row,) = read_trace(trace("1,2,3,pro,run-7,ada", header=f"{HEADER},tier,tenant,end_user"))[0]

    assert (row.tier, row.tenant, row.end_user) == ("pro", "run-7", "ada")


def test_order_of_columns_and_rows_is_free() -> None:
    rows, _ = read_trace(trace("3,9,1", "2,1,0", header="output_tokens,t_s,input_tokens"))

    assert rows == [TraceRow(1_000, 0, 2), TraceRow(9_000, 1, 3)]


def test_packed_file_is_read() -> None:
    assert read_trace(gzip.compress(trace("0,1,1")))[0] == [TraceRow(0, 1, 1)]


@pytest.mark.shared_data
def test_azures_trace_is_read_to_the_bound(shared_data: Path) -> None:
    rows, left_out = read_trace((shared_data / "traces" / "azure2023_conv.csv.gz").read_bytes())

    assert (len(rows), left_out, rows[1]) == (19_366, 0, TraceRow(4_315, 396, 109))


def test_requests_beyond_the_bound_are_counted() -> None:
    rows, left_out = read_trace(trace(*(f"{i},1,1" for i in range(MAX_ROWS + 3))))

    assert (len(rows), left_out) == (MAX_ROWS, 3)


@pytest.mark.parametrize(
    ("line", "issue"),
    [
        ("x,1,1", "Row 3, column t_s: “x” is no number"),
        ("nan,1,1", "Row 3, column t_s: “nan” is no number"),
        ("-1,1,1", "Row 3, column t_s: “-1” is no number from 0"),
        ("1,many,1", "Row 3, column input_tokens: “many” is no number"),
        ("1,1,1.5", "Row 3, column output_tokens: “1.5” is no whole number"),
        ("1,1", "Row 3, column output_tokens: “” is no number"),
    ],
)
def test_issue_names_row_and_column(line: str, issue: str) -> None:
    (found,) = issues_of(trace("0,1,1", line))

    assert found.startswith(issue)


def test_first_issues_are_listed_and_the_rest_is_hinted_at() -> None:
    found = issues_of(trace(*("x,1,1" for _ in range(30))))

    assert (len(found), found[-1]) == (11, "There may be more.")


@pytest.mark.parametrize(
    ("content", "issue"),
    [
        (b"", "t_s"),
        (trace(), "no requests"),
        (trace("0,1", header="t_s,input_tokens"), "output_tokens is missing"),
        (trace('0,1,"1'), "is no CSV"),
        ("t_s,input_tokens,output_tokens\n0,1,ü".encode("latin-1"), "UTF-8"),
        (b"\x1f\x8b not packed", "cannot be unpacked"),
        (gzip.compress(b"0" * (MAX_BYTES + 1)), "more than 5 MB"),
        (trace(f"0,1,1,{'x' * 41}", header=f"{HEADER},tier"), "longer than 40 characters"),
        (trace("0,1,1,a\0b", header=f"{HEADER},tenant"), "NUL"),
    ],
)
def test_unreadable_file_says_why(content: bytes, issue: str) -> None:
    assert issue in " ".join(issues_of(content))


def test_trace_comes_back_from_json_as_it_was() -> None:
    kept = Trace(rows=[TraceRow(0, 1, 2, "pro")], left_out=4, deployment_id=7, mix={"free": 1})

    assert Trace.from_json(kept.to_json()) == kept

"""The parser of server-sent events, with every cut that a network can make."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.providers.clients.sse import EventStream


def parse(*chunks: bytes) -> list[str]:
    stream = EventStream()
    return [event for chunk in chunks for event in stream.feed(chunk)] + stream.close()


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        (b"data: a\n\n", ["a"]),
        (b"data:a\n\ndata:  b\n\n", ["a", " b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b"data: first\ndata: second\n\n", ["first\nsecond"]),
        (b": keep-alive\n\ndata: a\n\n", ["a"]),
        (b"event: message\nid: 7\nretry: 10\ndata: a\n\n", ["a"]),
        (b"data\n\n", [""]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a", ["a"]),
        (b"data: a\n", ["a"]),
        (b"\n\n\n", []),
        (b"", []),
        (b"data: \xff\n\n", ["�"]),
    ],
)
def test_stream_gives_the_data_of_each_event(wire: bytes, events: list[str]) -> None:
    assert parse(wire) == events


@given(cuts=st.lists(st.integers(0, 60), max_size=8))
def test_stream_does_not_care_where_chunks_break(cuts: list[int]) -> None:
    wire = "data: grüße\r\n\r\n: c\r\rdata: 1\ndata: 2\n\ndata: [DONE]\r\n\r\n".encode()
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    chunks = [wire[start:end] for start, end in pairwise(edges)]
    assert parse(*chunks) == ["grüße", "1\n2", "[DONE]"]


def test_stream_gives_an_event_as_soon_as_its_blank_line_arrives() -> None:
    stream = EventStream()
    assert stream.feed(b"data: a\r\n\r") == ["a"]
    assert stream.feed(b"\ndata: b\n") == []
    assert stream.feed(b"\n") == ["b"]

import gzip
import io
import tracemalloc

import pytest

from readiness.datasets.importers import lines
from readiness.datasets.importers.base import MAX_LINE_BYTES, UnreadableError
from readiness.datasets.importers.lines import numbered_lines, open_source

MEGABYTE = 1024 * 1024


class EndlessLine(io.RawIOBase):
    """200 MB without a line end, made only as they are read."""

    def __init__(self) -> None:
        self.left = 200 * MEGABYTE
        self.given = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        size = min(len(buffer), self.left)
        buffer[:size] = b"x" * size
        self.left -= size
        self.given += size
        return size


def test_line_of_200_mb_is_refused_after_little_more_than_the_limit():
    source = EndlessLine()
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match="longer than 2 MB"):
            list(numbered_lines(io.BufferedReader(source)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert source.given < MAX_LINE_BYTES + MEGABYTE
    assert peak < 3 * MAX_LINE_BYTES


def test_long_line_inside_gzip_is_refused_in_its_row(tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}\n" + b"0" * (20 * MEGABYTE)))
    with open_source(path) as stream, pytest.raises(UnreadableError) as caught:
        list(numbered_lines(stream))
    assert caught.value.row == 2


def test_line_of_exactly_the_limit_is_read():
    stream = io.BytesIO(b"x" * (MAX_LINE_BYTES - 1) + b"\n")
    assert [number for number, _ in numbered_lines(stream)] == [1]


def test_file_beyond_the_limit_of_all_bytes_is_refused(monkeypatch):
    monkeypatch.setattr(lines, "MAX_FILE_BYTES", 10)
    with pytest.raises(UnreadableError, match="split it") as caught:
        list(numbered_lines(io.BytesIO(b"12345\n12345\n")))
    assert caught.value.row == 2


def test_more_lines_than_allowed_are_refused(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINES", 2)
    with pytest.raises(UnreadableError, match="more than 2 lines"):
        list(numbered_lines(io.BytesIO(b"1\n2\n3\n")))


def test_byte_order_mark_is_taken_off():
    assert list(numbered_lines(io.BytesIO(b"\xef\xbb\xbfid\n"))) == [(1, b"id\n")]


def test_utf_16_is_refused_by_name():
    with pytest.raises(UnreadableError, match="UTF-16"):
        list(numbered_lines(io.BytesIO("id,question".encode("utf-16"))))


@pytest.mark.parametrize("damage", ["cut", "noise", "no gzip after the mark"])
def test_damaged_gzip_is_an_issue_not_a_crash(tmp_path, damage):
    packed = gzip.compress("\n".join(f'{{"question": "{n * 7919}"}}' for n in range(2000)).encode())
    if damage == "cut":
        packed = packed[: len(packed) // 2]
    elif damage == "noise":
        packed = packed[:200] + bytes(200) + packed[400:]
    else:
        packed = b"\x1f\x8bnot gzip at all"
    path = tmp_path / "file.jsonl.gz"
    path.write_bytes(packed)
    with open_source(path) as stream, pytest.raises(UnreadableError, match="damaged or cut off"):
        list(numbered_lines(stream))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableError, match=r"There is no file .*absent\.csv"):
        open_source(tmp_path / "absent.csv")


def test_folder_is_refused(tmp_path):
    with pytest.raises(UnreadableError, match="cannot be read"):
        open_source(tmp_path)

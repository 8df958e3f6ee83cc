"""Lines of a file that may be large, damaged or hostile, with bounded memory."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from readiness.datasets.importers.base import MAX_FILE_BYTES, MAX_LINE_BYTES, MAX_LINES, UnreadableError

GZIP_MAGIC = b"\x1f\x8b"
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
MEGABYTE = 1024 * 1024


class ByteLines(Protocol):
    """All that is needed of a stream: a line, cut off after so many bytes; empty at the end."""

    def readline(self, size: int, /) -> bytes: ...


def open_source(path: Path) -> BinaryIO:
    """The file, unpacked where it is gzip. Raises UnreadableError where it cannot be opened."""
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")
    except FileNotFoundError as error:
        raise UnreadableError(0, f"There is no file {path}.") from error
    except OSError as error:
        raise UnreadableError(0, f"{path} cannot be read: {error.strerror}.") from error


def numbered_lines(stream: ByteLines) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, bytes with their line end); a UTF-8 byte order mark is taken off.

    Never holds more than ``MAX_LINE_BYTES``. Raises UnreadableError for a longer line, for more than
    ``MAX_FILE_BYTES`` in all, for damaged gzip and for UTF-16.
    """
    number = total = 0
    while line := _next_line(stream, number + 1):
        number += 1
        total += len(line)
        _check_size(number, len(line), total)
        if number == 1:
            if line.startswith(UTF16_BOMS):
                raise UnreadableError(1, "The file is UTF-16; save it as UTF-8.")
            line = line.removeprefix(UTF8_BOM)
        yield number, line


def _check_size(number: int, length: int, total: int) -> None:
    if length > MAX_LINE_BYTES:
        limit = f"{MAX_LINE_BYTES // MEGABYTE} MB"
        raise UnreadableError(number, f"This line is longer than {limit}; nothing after it was read.")
    if total > MAX_FILE_BYTES:
        limit = f"{MAX_FILE_BYTES // MEGABYTE} MB"
        raise UnreadableError(number, f"The file is longer than {limit}; split it into several datasets.")
    if number > MAX_LINES:
        raise UnreadableError(number, f"The file has more than {MAX_LINES:,} lines; split it.")


def _next_line(stream: ByteLines, number: int) -> bytes:
    try:
        return stream.readline(MAX_LINE_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        text = "The compressed data is damaged or cut off here; pack or download the file again."
        raise UnreadableError(number, text) from error
    except OSError as error:
        raise UnreadableError(number, f"The file cannot be read beyond here: {error.strerror}.") from error


def not_utf8(error: UnicodeDecodeError) -> str:
    """Plain words for bytes that are not UTF-8; positions count from 1."""
    byte = error.object[error.start]
    return f"Not UTF-8: byte 0x{byte:02X} at position {error.start + 1}. Save the file as UTF-8."

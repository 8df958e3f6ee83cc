"""CSV with a header row: comma, semicolon, tab or bar, quoted fields, line ends inside quotes."""

import csv
from collections.abc import Callable, Iterator

from readiness.datasets.importers.base import MAX_LINE_BYTES, IssueLog, Row, UnreadableError
from readiness.datasets.importers.lines import not_utf8

DELIMITERS = (",", ";", "\t", "|")

# A setting of the whole process; its default of 128 KB is shorter than the line that we allow.
csv.field_size_limit(MAX_LINE_BYTES)


class _Lines:
    """Decoded lines for ``csv.reader``: remembers what was not UTF-8 and bounds one record."""

    def __init__(self, lines: Iterator[tuple[int, bytes]]) -> None:
        self._lines = lines
        self.not_utf8: list[tuple[int, str]] = []
        """(line number, text) since the last record."""
        self.record_start = 1
        self._record_bytes = 0

    def begin_record(self, line_number: int) -> None:
        self.record_start = line_number
        self.not_utf8 = []
        self._record_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, raw = next(self._lines)
        self._record_bytes += len(raw)
        if self._record_bytes > MAX_LINE_BYTES:
            text = "A quote that opens in this record is not closed within 2 MB; nothing after it was read."
            raise UnreadableError(self.record_start, text)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            self.not_utf8.append((number, not_utf8(error)))
            return raw.decode(errors="replace")


def read(
    lines: Iterator[tuple[int, bytes]], log: IssueLog, known: Callable[[str], bool] = lambda _name: False
) -> Iterator[Row]:
    """A row per record, values as text. ``known`` says whether a column's name is a usual one: of two
    delimiters that fit the header, the one that yields more usual names is taken.
    """
    first = next(lines, None)
    if first is None:
        return
    delimiter = _delimiter(first[1].decode(errors="replace"), known)
    records = _records(_chain(first, lines), log, delimiter)
    header_number, header = next(records, (1, []))
    if (columns := _columns(header_number, header, log)) is None:
        return
    for number, values in records:
        if len(values) == len(columns):
            yield Row(number=number, fields=dict(zip(columns, values, strict=True)))
        else:
            text = (
                f"This row has {len(values)} fields, the header has {len(columns)}. "
                "Put quotes around a field that holds the delimiter."
            )
            log.add(number, "", text)


def _chain(first: tuple[int, bytes], rest: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    yield first
    yield from rest


def _records(
    numbered: Iterator[tuple[int, bytes]], log: IssueLog, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """(line number of its start, fields) of each record that can be read; others become issues."""
    lines = _Lines(numbered)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        lines.begin_record(start)
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            log.add(start, "", _in_plain_words(str(error)))
            continue
        for number, text in lines.not_utf8:
            log.add(number, "", text)
        if fields and not lines.not_utf8:
            yield start, fields


def _in_plain_words(message: str) -> str:
    if "unexpected end of data" in message:
        return "A quote that opens in this record is never closed."
    if "expected after" in message:
        return 'Text follows a closing quote. Write a quote inside a quoted field twice: "".'
    if "new-line character" in message:
        return "A line end inside an unquoted field. Put quotes around the field."
    return f"Not valid CSV: {message}."


def _delimiter(header: str, known: Callable[[str], bool]) -> str:
    def fit(delimiter: str) -> tuple[int, int]:
        try:
            names = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        return sum(known(name) for name in names), len(names)

    return max(DELIMITERS, key=fit)


def _columns(number: int, header: list[str], log: IssueLog) -> list[str] | None:
    """The names in the header, nameless columns as ``column 3``; None, with an issue, for a repeated one."""
    columns = [name.strip() or f"column {index}" for index, name in enumerate(header, start=1)]
    for name in columns:
        if columns.count(name) > 1:
            log.stop(number, f"The header names the column “{name}” twice; rename one of them.")
            return None
    return columns

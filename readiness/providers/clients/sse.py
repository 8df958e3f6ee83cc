"""Server-sent events: bytes as they arrive in, the data of each event out (WHATWG HTML §9.2)."""

import codecs
import re

_LINE_END = re.compile(r"\r\n|\n|\r")


class EventStream:
    """Incremental parser. Chunks may break anywhere, also inside a character or between CR and LF.

    Only ``data`` matters to chat completions: comments, event names, ids and retry hints are read past.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._line: list[str] = []
        self._data: list[str] = []
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[str]:
        """Data of the events that this chunk completes."""
        return self._split(self._decoder.decode(chunk))

    def close(self) -> list[str]:
        """Data of an event that the end of the stream left open: some servers forget the last blank line."""
        return self._split(self._decoder.decode(b"", final=True) + "\n\n")

    def _split(self, text: str) -> list[str]:
        if text:
            if self._after_cr:
                text = text.removeprefix("\n")
            self._after_cr = text.endswith("\r")
        *complete, rest = _LINE_END.split(text)
        events: list[str] = []
        for part in complete:
            self._end_line(part, events)
        # Pieces of a line are joined once, at its end: a line that comes byte by byte stays linear.
        self._line.append(rest)
        return events

    def _end_line(self, part: str, events: list[str]) -> None:
        line = "".join([*self._line, part])
        self._line.clear()
        if not line:
            if self._data:
                events.append("\n".join(self._data))
                self._data.clear()
            return
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))

"""One terminal for many processes: each line with its time and its process's name, as honcho prints them."""

import sys
import threading
from collections.abc import Iterable
from datetime import datetime

from honcho.colour import get_colours
from honcho.printer import Message, Printer

LAUNCHER = "readiness"


class Output:
    """Prints lines of several threads without mixing them."""

    def __init__(self, names: Iterable[str]) -> None:
        names = [LAUNCHER, *names]
        self._printer = Printer(sys.stdout, width=max(map(len, names)))
        self._colours = dict(zip(names, get_colours(), strict=False))
        self._lock = threading.Lock()

    def write(self, name: str, line: str) -> None:
        """One line of a process's output."""
        now = datetime.now().astimezone()
        message = Message(type="line", data=line, time=now, name=name, colour=self._colours.get(name))
        with self._lock:
            self._printer.write(message)

    def say(self, text: str) -> None:
        """A message of the launcher itself, one line or several."""
        for line in text.splitlines():
            self.write(LAUNCHER, line)

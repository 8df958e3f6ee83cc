"""Time as the service sees it."""

import time
from collections.abc import Callable


class Clock:
    """A clock that never jumps, and the Unix time that it stands for."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        """Seconds since an arbitrary moment."""
        self.offset = time.time() - now()
        """What leads from ``now`` to Unix time."""

    def unix(self) -> float:
        """Unix time in seconds, counted by ``now`` from the moment the clock was made."""
        return self.offset + self.now()

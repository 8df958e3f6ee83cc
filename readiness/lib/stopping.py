"""A wish to stop, made by a signal."""

import signal
import time
from types import FrameType

_LOOK_EVERY_S = 0.05


class StopRequest:
    """Set by a signal handler, looked at and waited for by the thread that the handler interrupts.

    ``threading.Event`` cannot be that: ``set`` takes the lock that an interrupted ``wait`` may hold, and a
    handler that waits for its own thread waits for ever.
    """

    def __init__(self) -> None:
        self._is_set = False

    def listen(self, *numbers: signal.Signals) -> None:
        """From now on these signals only ask to stop. Main thread only."""
        for number in numbers:
            signal.signal(number, self._hear)

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Whether it is set, at once when it is and after ``seconds`` at the latest."""
        deadline = time.monotonic() + seconds
        while not self._is_set and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_EVERY_S))
        return self._is_set

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._is_set = True

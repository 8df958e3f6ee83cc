import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from readiness.lib.stopping import StopRequest


@pytest.fixture
def request_to_stop() -> Iterator[StopRequest]:
    before = signal.getsignal(signal.SIGUSR1)
    asked = StopRequest()
    asked.listen(signal.SIGUSR1)
    yield asked
    signal.signal(signal.SIGUSR1, before)


def test_nobody_asked(request_to_stop: StopRequest) -> None:
    assert not request_to_stop.wait(0)
    assert not request_to_stop.is_set()


def test_signal_asks(request_to_stop: StopRequest) -> None:
    signal.raise_signal(signal.SIGUSR1)

    assert request_to_stop.is_set()
    assert request_to_stop.wait(60)


INTERRUPTED_AT_ANY_MOMENT = """
import signal
from readiness.lib.stopping import StopRequest
for number in range(3000):
    stop = StopRequest()
    stop.listen(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 0.00001 + number % 100 / 1e6)
    while not stop.wait(0.00001):
        pass
"""


def test_wait_that_is_interrupted_at_any_moment_ends() -> None:
    subprocess.run([sys.executable, "-c", INTERRUPTED_AT_ANY_MOMENT], check=True, timeout=30)

"""The simulated AI service as a process of its own, at an address that only the tests know."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from readiness.operations.drills.simulated import NotSimulatedError, ensure_simulated


@pytest.fixture(scope="session")
def _service() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "readiness.simulator"],
        env={**os.environ, "SIMULATOR_PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}/v1"
    process.terminate()
    process.wait()


@pytest.fixture
def simulator(_service: str, settings: Settings) -> str:
    """Its base URL; this process's settings name it."""
    settings.SIMULATOR_URL = _service
    end = time.monotonic() + 60
    while True:
        try:
            ensure_simulated()
            return _service
        except NotSimulatedError:
            assert time.monotonic() < end
            time.sleep(0.05)

"""The simulated AI service as seen from outside; started for the seeding where it does not run yet.

The floors keep everybody from importing it, so it is a process and an address here, as for any provider.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

PATIENCE_S: Final = 60.0
"""How long to wait until it answers, be it started here or elsewhere."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NEEDED: Final = ("PATH", "LANG", "SIMULATOR_")
"""Beginnings of the variables that the process is given: none of our secrets is among them."""


class NoServiceError(Exception):
    """The simulated AI service cannot be used; ``str(error)`` says what to do."""


@contextmanager
def running_service(*, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Until the end of the block the simulated AI service answers at ``settings.SIMULATOR_URL``.

    One that runs there already is used and left running. Else one is started as the site itself starts it:
    with the same speed, prices, quotas and errors, so that what is measured is what the site would measure.
    Raises NoServiceError.
    """
    started = None if _answers() or not _is_local() else _start()
    try:
        _wait_until_it_answers(started, patience_s)
        yield
    finally:
        if started is not None:
            started.terminate()
            started.wait()


def profiles() -> Mapping[str, Any]:
    """Model id to what the service says of it: its price and its quota among others."""
    found: Mapping[str, Any] = _read("/sim/models")["models"]
    return found


def alterations() -> dict[str, Mapping[str, str] | None]:
    """Request id of every answer that the service completed to what it invented in it, None for nothing.

    The service keeps its last ten thousand requests, and forgets them when it ends.
    """
    requests = _read("/sim/ledger?details=1")["requests"]
    return {row["request_id"]: row["alteration"] for row in requests if row["outcome"] == "completed"}


def _is_local() -> bool:
    return urlsplit(settings.SIMULATOR_URL).hostname in _LOOPBACK


def _start() -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name.startswith(_NEEDED)}
    environment["SIMULATOR_PORT"] = str(urlsplit(settings.SIMULATOR_URL).port or 80)
    return subprocess.Popen(
        [sys.executable, "-m", "readiness.simulator"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait_until_it_answers(started: "subprocess.Popen[bytes] | None", patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while not _answers():
        if started is not None and started.poll() is not None:
            raise NoServiceError(
                f"The simulated AI service ended at once (status {started.returncode}). To see why: "
                f"SIMULATOR_PORT={urlsplit(settings.SIMULATOR_URL).port} python -m readiness.simulator"
            )
        if time.monotonic() > until:
            raise NoServiceError(
                f"The simulated AI service does not answer at {settings.SIMULATOR_URL}. Start it, or set "
                "READINESS_SIMULATOR_URL to where it runs."
            )
        time.sleep(0.1)


def _answers() -> bool:
    """Raises NoServiceError when something else answers at the address."""
    try:
        found = _read("/sim/models")
    except urllib.error.HTTPError as error:
        raise NoServiceError(
            f"Another program answers at {settings.SIMULATOR_URL} (with status {error.code}). Stop it, or "
            "choose another port with SIMULATOR_PORT and READINESS_SIMULATOR_URL."
        ) from None
    except (OSError, ValueError):
        return False
    return found.get("simulated") is True


def _read(path: str) -> Any:
    """The JSON at a path beside the API. Never by way of a proxy: the service is our neighbour."""
    base_url = settings.SIMULATOR_URL.rstrip("/").removesuffix("/v1")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(base_url + path, timeout=5) as response:
        return json.load(response)

"""Where drills are held: a process, a Redis and a database of their own, which end with the drill."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder

from readiness.limits.private_redis import private_redis
from readiness.operations.drills.base import DrillRefusedError
from readiness.operations.drills.findings import Finding, Moment
from readiness.operations.drills.simulated import ensure_simulated

MOST_S: Final = 240.0
"""No drill takes longer, its setting up included; less than a job may take."""

_BEAT_S: Final = 0.5
_MODULE: Final = "readiness.operations.drills.inside"


class DrillBrokenError(Exception):
    """A drill broke off by a mistake of ours, or took far too long. ``str(error)`` is plain words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a drill that was held to its end hands back."""

    findings: Sequence[Finding]
    moments: Sequence[Moment]
    """The whole time line, in order."""


def hold(
    name: str,
    *,
    tiers: Sequence[Mapping[str, Any]],
    quick: bool = False,
    tell: Callable[[Moment], None] = lambda _: None,
    beat: Callable[[], None] = lambda: None,
) -> Outcome:
    """Holds the drill in an arena with these tiers (columns by name).

    ``tell`` hears of each moment as it comes, ``beat`` is called each second and may raise to end it.
    Raises ``DrillRefusedError``, ``DrillBrokenError``, ``NotSimulatedError``, ``NoPrivateRedisError``.
    """
    ensure_simulated()
    with private_redis() as redis, tempfile.TemporaryDirectory(prefix="readiness-drill-") as folder:
        task = {"drill": name, "quick": quick, "tiers": list(tiers), "redis_pid": redis.pid}
        environment = {
            "DJANGO_SETTINGS_MODULE": "readiness.settings",
            "DATABASE_URL": f"sqlite:///{Path(folder) / 'drill.sqlite3'}",
            "REDIS_URL": redis.url,
            "READINESS_SIMULATOR_URL": settings.SIMULATOR_URL,
            # Refusals and broken connections are what it is about; its report tells of them.
            "READINESS_LOG_LEVEL": "ERROR",
        }
        with _process(environment, json.dumps(task, cls=DjangoJSONEncoder)) as output:
            return _follow(output, tell, beat)


@contextmanager
def _process(environment: Mapping[str, str], task: str) -> Iterator[IO[str]]:
    """The arena's process in a session of its own, so that nothing it started outlives it.

    Its input stays open as long as we live: it ends itself when that is closed.
    """
    process = subprocess.Popen(  # noqa: S603 - all parts are ours
        [sys.executable, "-m", _MODULE],
        cwd=settings.BASE_DIR,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(task + "\n")
        process.stdin.flush()
        yield process.stdout
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _follow(output: IO[str], tell: Callable[[Moment], None], beat: Callable[[], None]) -> Outcome:
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(output, lines), daemon=True)
    reader.start()
    ends_at = time.monotonic() + MOST_S
    while time.monotonic() < ends_at:
        beat()
        with suppress(queue.Empty):
            said = _understood(lines.get(timeout=_BEAT_S))
            if "moment" in said:
                tell(Moment.from_row(said["moment"]))
            elif "refused" in said:
                raise DrillRefusedError(said["refused"])
            else:
                return _outcome(said)
    raise DrillBrokenError(f"The drill did not end within {MOST_S:g} s. Try again when less goes on.")


def _read(output: IO[str], lines: "queue.Queue[str]") -> None:
    """An empty line is the end, however it came."""
    with suppress(ValueError, OSError):
        for line in output:
            lines.put(line)
    lines.put("")


def _understood(line: str) -> dict[str, Any]:
    if not line:
        raise DrillBrokenError("The drill broke off by a mistake of ours; the log says more. Try again.")
    said: dict[str, Any] = json.loads(line)
    return said


def _outcome(said: Mapping[str, Any]) -> Outcome:
    return Outcome(
        findings=[Finding.from_row(row) for row in said["findings"]],
        moments=[Moment.from_row(row) for row in said["moments"]],
    )

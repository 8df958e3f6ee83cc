"""Plays `make up` on a fresh clone: first start, a killed worker, Ctrl-C, a taken port, second start.

``python .ci/start_stop.py FOLDER`` clones the checkout's last commit into the folder, installs with an empty
pip cache, and prints one line per fact. Linux only: leftovers are found in /proc.
"""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_START_S = 120
SECOND_START_S = 10
SETTLE_S = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check(fact: str, holds: object) -> None:
    """Print the fact, or end the script when it does not hold."""
    if not holds:
        sys.exit(f"NOT TRUE: {fact}")
    print(f"ok: {fact}", flush=True)


def wait_for(fact: str, condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"NOT TRUE within {seconds:g} s: {fact}")
        time.sleep(0.05)


class Checkout:
    """A clone, the ports it uses, and what runs from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self.port = free_port()
        self.variables = {
            "PORT": self.port,
            "SIMULATOR_PORT": free_port(),
            "READINESS_REDIS_PORT": free_port(),
        }
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("READINESS_", "MAKE")) and name not in ("DATABASE_URL", "REDIS_URL")
        } | {"PIP_CACHE_DIR": str(folder / "pip-cache")}
        self.log = folder / "make-up.log"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(self.folder)], check=True)

    def make_up(self, **variables: int) -> "subprocess.Popen[bytes]":
        words = [f"{name}={value}" for name, value in (self.variables | variables).items()]
        with self.log.open("wb") as log:
            return subprocess.Popen(
                ["make", "up", *words],
                cwd=self.folder,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def processes(self, pattern: str = "") -> list[int]:
        """Ids of the processes that work in the clone and whose command line matches."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(self.folder):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if command and re.search(pattern, command):
                        found.append(int(entry.name))
            except OSError:
                continue
        return found

    def start(self, seconds: float, ordinal: str) -> "subprocess.Popen[bytes]":
        """`make up` until the sign-in page is served."""
        began = time.monotonic()
        process = self.make_up()
        wait_for(
            f"{ordinal} start serves the sign-in page",
            lambda: process.poll() is not None or "Readiness runs at" in self.output(),
            seconds,
        )
        took = time.monotonic() - began
        check(f"{ordinal} start goes on to run", process.poll() is None)
        page = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).read()
        check(f"{ordinal} start serves the sign-in page after {took:.1f} s", b'type="password"' in page)
        return process

    def stop(self, process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
        """What a terminal does: the signal goes to the whole foreground group."""
        began = time.monotonic()
        os.killpg(process.pid, number)
        process.wait(timeout=SETTLE_S)
        wait_for("no process is left", lambda: not self.processes(), 5)
        check(f"{number.name} stops everything in {time.monotonic() - began:.1f} s", True)


def play(checkout: Checkout) -> None:
    process = checkout.start(FIRST_START_S, "first")
    secrets = checkout.folder / ".env"
    written = secrets.read_bytes()
    check(".env is readable by its owner only", stat.S_IMODE(secrets.stat().st_mode) == 0o600)

    (worker,) = checkout.processes("rqworker benchmarks")
    os.kill(worker, signal.SIGKILL)
    wait_for(
        "a killed worker comes back",
        lambda: set(checkout.processes("rqworker benchmarks")) - {worker},
        SETTLE_S,
    )
    check("a killed worker comes back and nothing else stops", process.poll() is None)
    checkout.stop(process, signal.SIGINT)

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        refused = checkout.make_up(PORT=taken)
        check("a taken port stops the start", refused.wait(timeout=SETTLE_S) != 0)
        check("a taken port is named", f"Port {taken} cannot be used" in checkout.output())
        check("a refused start leaves no process", not checkout.processes())

    process = checkout.start(SECOND_START_S, "second")
    check(".env is the same after the second start", secrets.read_bytes() == written)
    checkout.stop(process, signal.SIGTERM)


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir()
    checkout = Checkout(folder)
    try:
        play(checkout)
    except BaseException:
        print(checkout.output()[-5000:], file=sys.stderr)
        raise
    finally:
        for pid in checkout.processes():
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()

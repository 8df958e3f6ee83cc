"""Keeps the processes of the Procfile running, and leaves none behind.

honcho reads the Procfile and prints the lines; the processes are kept here, because honcho's own manager
stops everything as soon as one process dies, sends all of them SIGTERM at once (Redis would go before the
workers that still write to it) and cannot see the children of RQ's workers, which move to process groups of
their own.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
SETTLED_AFTER_S = 60.0
"""A process that ran this long is taken to have started well; its next death counts as the first again."""
MOST_DEATHS = 6
"""This many deaths in a row and the process is given up, and everything stops."""
GRACE_S = 4.0
"""Between two SIGTERM, and from the second to SIGKILL. RQ's worker lets its job end after the first one and
ends at once on the second."""

Write = Callable[[str, str], None]
"""Called with a program's name and one line of its output; from several threads."""


@dataclass(frozen=True, slots=True)
class Program:
    """One line of the Procfile."""

    name: str
    command: str


@dataclass(slots=True)
class _Kept:
    """A program under supervision and the thread that keeps it."""

    program: Program
    stopping: threading.Event = field(default_factory=threading.Event)
    child: subprocess.Popen[bytes] | None = None
    thread: threading.Thread | None = None


class Supervisor:
    """Starts programs, restarts the ones that die, and stops them with everything they started.

    ``gave_up`` is set, and ``failed`` names the program, when one keeps dying.
    """

    def __init__(
        self,
        *,
        cwd: Path,
        environment: dict[str, str],
        write: Write,
        first_delay_s: float = FIRST_DELAY_S,
        grace_s: float = GRACE_S,
    ) -> None:
        self.gave_up = threading.Event()
        self.failed = ""
        self._cwd = cwd
        self._environment = environment
        self._write = write
        self._first_delay_s = first_delay_s
        self._grace_s = grace_s
        self._kept: dict[str, _Kept] = {}

    def start(self, program: Program) -> None:
        """Start a program and keep it running until it is stopped."""
        kept = _Kept(program)
        kept.thread = threading.Thread(target=self._keep, args=(kept,), name=program.name, daemon=True)
        self._kept[program.name] = kept
        kept.thread.start()

    def stop(self, names: Iterable[str] | None = None) -> None:
        """Stop these programs, or all: SIGTERM, SIGTERM again, SIGKILL, each after the grace period.

        Returns when none of their processes is left.
        """
        chosen = self._kept.keys() if names is None else self._kept.keys() & set(names)
        kept = [self._kept.pop(name) for name in list(chosen)]
        for one in kept:
            one.stopping.set()
        for sent in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            for one in kept:
                if one.child is not None and one.child.poll() is None:
                    one.child.send_signal(sent)
            deadline = time.monotonic() + self._grace_s
            for one in kept:
                if one.thread is not None:
                    one.thread.join(max(0.0, deadline - time.monotonic()))
            if not any(one.thread is not None and one.thread.is_alive() for one in kept):
                return

    def _keep(self, kept: _Kept) -> None:
        """The life of one program: start, wait, sweep, and again until it is stopped or given up."""
        name = kept.program.name
        deaths = 0
        while not kept.stopping.is_set():
            started = time.monotonic()
            status = self._run_once(kept)
            if kept.stopping.is_set():
                return
            deaths = 1 if time.monotonic() - started > SETTLED_AFTER_S else deaths + 1
            if deaths >= MOST_DEATHS:
                self._write(name, f"{describe(status)} {deaths} times in a row; giving up")
                self.failed = name
                self.gave_up.set()
                return
            delay = min(self._first_delay_s * 2 ** (deaths - 1), LONGEST_DELAY_S)
            self._write(name, f"{describe(status)}; starting it again in {delay:g} s")
            kept.stopping.wait(delay)

    def _run_once(self, kept: _Kept) -> int:
        """Start the program and wait for its end; nothing it started is left afterwards.

        ``exec`` makes the shell become the program, so that signals reach it. The new session keeps the
        terminal's Ctrl-C away from it and marks everything that it starts.
        """
        child = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {kept.program.command}"],
            cwd=self._cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        kept.child = child
        if kept.stopping.is_set():  # stop() came before it could see the child
            child.terminate()
        relay = threading.Thread(target=self._relay, args=(kept.program.name, child), daemon=True)
        relay.start()
        status = child.wait()
        kill_session(child.pid)
        relay.join(timeout=1)
        return status

    def _relay(self, name: str, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            self._write(name, line.decode("utf-8", "replace").rstrip())
        child.stdout.close()


def describe(status: int) -> str:
    """The end of a process in words; a negative status is the signal that killed it."""
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def kill_session(session: int) -> None:
    """SIGKILL to every process of a session whose leader has ended.

    RQ's worker runs each job in a process group of its own, which outlives a worker that is killed; the
    session is what they still share.
    """
    for pid in _process_ids():
        try:
            if os.getsid(pid) == session:
                os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _process_ids() -> list[int]:
    if Path("/proc/self").exists():
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    listing = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=True)
    return [int(pid) for pid in listing.stdout.split()]

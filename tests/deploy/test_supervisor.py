import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.supervisor import MOST_DEATHS, Program, Supervisor, describe

DEADLINE_S = 20
"""Far beyond what any of these needs; only a broken supervisor waits this long."""


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


class Lines:
    """The output of the programs, readable while they run."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def write(self, name: str, line: str) -> None:
        with self._lock:
            self.all.append((name, line))

    def numbers(self, name: str) -> list[int]:
        return [int(line) for who, line in list(self.all) if who == name and line.isdigit()]

    def text(self) -> str:
        return "\n".join(line for _, line in list(self.all))


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def supervisor(lines: Lines, tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(
        cwd=tmp_path, environment=dict(os.environ), write=lines.write, first_delay_s=0.01, grace_s=0.5
    )
    yield made
    made.stop()


def python(code: str) -> str:
    return f"{sys.executable} -u -c '{code}'"


SLEEP = python("import os, time; print(os.getpid()); time.sleep(600)")
STUBBORN = python(
    "import os, signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid()); time.sleep(600)\n"
)
CHILD_IN_ITS_OWN_GROUP = python(
    "import os, time\n"
    "pid = os.fork()\n"
    "if pid == 0: os.setpgrp(); print(os.getpid()); time.sleep(600)\n"
    "time.sleep(600)\n"
)
TERMS = python(
    "import os, signal, sys, time\n"
    "seen = []\n"
    "def term(*_):\n"
    "    seen.append(1)\n"
    '    print(f"term {len(seen)}")\n'
    "    if len(seen) == 2: sys.exit()\n"
    "signal.signal(signal.SIGTERM, term); print(os.getpid())\n"
    "while True: time.sleep(1)\n"
)


def test_program_that_is_killed_is_started_again(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Program("worker", SLEEP))
    wait_until(lambda: len(lines.numbers("worker")) == 1)
    os.kill(lines.numbers("worker")[0], signal.SIGKILL)
    wait_until(lambda: len(lines.numbers("worker")) == 2)
    assert "was killed by SIGKILL; starting it again in 0.01 s" in lines.text()
    assert not supervisor.gave_up.is_set()


def test_other_programs_stay_when_one_dies(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Program("steady", SLEEP))
    supervisor.start(Program("worker", SLEEP))
    wait_until(lambda: lines.numbers("worker") and lines.numbers("steady"))
    os.kill(lines.numbers("worker")[0], signal.SIGKILL)
    wait_until(lambda: len(lines.numbers("worker")) == 2)
    assert len(lines.numbers("steady")) == 1
    assert is_running(lines.numbers("steady")[0])


def test_program_that_keeps_dying_is_given_up(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Program("broken", python("print(1); raise SystemExit(3)")))
    assert supervisor.gave_up.wait(DEADLINE_S)
    assert supervisor.failed == "broken"
    assert len(lines.numbers("broken")) == MOST_DEATHS
    assert f"ended with status 3 {MOST_DEATHS} times in a row; giving up" in lines.text()


def test_death_takes_along_children_in_groups_of_their_own(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Program("worker", CHILD_IN_ITS_OWN_GROUP))
    wait_until(lambda: lines.numbers("worker"))
    child = lines.numbers("worker")[0]
    os.kill(os.getsid(child), signal.SIGKILL)
    wait_until(lambda: not is_running(child))


def test_stop_leaves_no_process(supervisor: Supervisor, lines: Lines) -> None:
    for name, command in {"plain": SLEEP, "stubborn": STUBBORN, "parent": CHILD_IN_ITS_OWN_GROUP}.items():
        supervisor.start(Program(name, command))
    wait_until(lambda: all(lines.numbers(name) for name in ("plain", "stubborn", "parent")))
    supervisor.stop()
    pids = [pid for name in ("plain", "stubborn", "parent") for pid in lines.numbers(name)]
    assert [pid for pid in pids if is_running(pid)] == []


def test_stop_asks_twice_before_it_kills(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Program("worker", TERMS))
    wait_until(lambda: lines.numbers("worker"))
    supervisor.stop()
    assert [line for _, line in lines.all if line.startswith("term")] == ["term 1", "term 2"]


def test_stop_of_some_leaves_the_others(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Program("redis", SLEEP))
    supervisor.start(Program("web", SLEEP))
    wait_until(lambda: lines.numbers("redis") and lines.numbers("web"))
    supervisor.stop(["web", "never-started"])
    assert not is_running(lines.numbers("web")[0])
    assert is_running(lines.numbers("redis")[0])


def test_stopped_program_is_not_started_again(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Program("web", SLEEP))
    wait_until(lambda: lines.numbers("web"))
    supervisor.stop()
    assert "starting it again" not in lines.text()


def test_long_and_broken_lines_are_relayed(supervisor: Supervisor, lines: Lines) -> None:
    code = 'import sys; sys.stdout.buffer.write(b"x" * 300000 + b"\\n\\xff\\n"); import time; time.sleep(600)'
    supervisor.start(Program("web", python(code)))
    wait_until(lambda: len(lines.all) == 2)
    assert [line for _, line in lines.all] == ["x" * 300_000, "\N{REPLACEMENT CHARACTER}"]


def test_command_sees_variables_of_its_environment(lines: Lines, tmp_path: Path) -> None:
    supervisor = Supervisor(cwd=tmp_path, environment={"PORT": "8123"}, write=lines.write)
    supervisor.start(Program("web", f'{sys.executable} -c "import sys; print(sys.argv[1])" "port $PORT"'))
    wait_until(lambda: lines.all)
    supervisor.stop()
    assert lines.all[0] == ("web", "port 8123")


@pytest.mark.parametrize(("status", "words"), [(3, "ended with status 3"), (-9, "was killed by SIGKILL")])
def test_describe_tells_signals_from_statuses(status: int, words: str) -> None:
    assert describe(status) == words

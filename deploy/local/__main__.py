"""``python -m deploy.local``: prepare everything, run the processes of the Procfile, stop all of them."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

from django.core.exceptions import ImproperlyConfigured

from deploy.local.choices import REDIS, Choices
from deploy.local.output import Output
from deploy.local.preflight import HOST, StartError, prepare_folder, require_free_ports, write_environment
from deploy.local.supervisor import Program, Supervisor
from readiness.lib.env import load_dotenv

ROOT = Path(__file__).resolve().parents[2]
REDIS_TIMEOUT_S = 60
"""Loading a large append-only file takes a while before the first command is answered."""
PATIENCE_S = 60
"""A site that has not answered by now is reported, and waited for further."""


def main() -> int:
    """Entry point; whatever is wrong is told in plain words, without a traceback."""
    os.chdir(ROOT)
    stop = threading.Event()

    def request_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, request_stop)
    try:
        if write_environment(ROOT / ".env"):
            print("Wrote .env with fresh secrets.")
        load_dotenv(ROOT / ".env")
        choices = Choices.read()
        with prepare_folder(ROOT / "var"):
            require_free_ports(choices.ports)
            return run(choices, stop)
    except (StartError, ImproperlyConfigured) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"Readiness could not start: {error}", file=sys.stderr)
    return 1


def run(choices: Choices, stop: threading.Event) -> int:
    """Start everything, serve until ``stop``, and stop everything: Redis first to come and last to go."""
    programs = choices.programs(ROOT / "Procfile")
    output = Output([program.name for program in programs])
    supervisor = Supervisor(cwd=ROOT, environment=choices.environment(), write=output.write)
    try:
        for program in [one for one in programs if one.name == REDIS]:
            supervisor.start(program)
            wait_for_redis(choices.redis_port, supervisor, stop)
        output.say("Preparing the database, the static files and the demo …")
        prepare(choices, stop)
        others = [one for one in programs if one.name != REDIS]
        return serve(choices, others, supervisor, output, stop)
    finally:
        output.say("Stopping …")
        supervisor.stop([one.name for one in programs if one.name != REDIS])
        supervisor.stop()
        output.say("Everything has stopped.")


def serve(
    choices: Choices, programs: list[Program], supervisor: Supervisor, output: Output, stop: threading.Event
) -> int:
    """Run the programs until ``stop`` is set (0) or one of them is given up (1)."""
    if stop.is_set():
        return 0
    for program in programs:
        supervisor.start(program)
    waiting_since = time.monotonic()
    welcomed = warned = False
    while not stop.wait(0.25):
        if supervisor.gave_up.is_set():
            output.say(f"{supervisor.failed} keeps ending; its own last lines stand above.")
            return 1
        if not welcomed and answers(choices.url):
            output.say(choices.welcome())
            welcomed = True
        elif not (welcomed or warned) and time.monotonic() - waiting_since > PATIENCE_S:
            output.say(f"{choices.url} does not answer yet; the lines above may say why.")
            warned = True
    return 0


def prepare(choices: Choices, stop: threading.Event) -> None:
    """Run ``deploy.local.prepare`` to its end, or end it when ``stop`` is set; raises ``StartError``."""
    child = subprocess.Popen(
        [sys.executable, "-m", "deploy.local.prepare"], env=choices.environment(), start_new_session=True
    )
    while child.poll() is None:
        if stop.wait(0.1):
            child.terminate()
            child.wait()
            return
    if child.returncode != 0:
        raise StartError("The preparation failed; its own message stands above. Nothing is running.")


def wait_for_redis(port: int, supervisor: Supervisor, stop: threading.Event) -> None:
    """Return when the embedded Redis answers, or ``stop`` is set; raises ``StartError`` when it does not."""
    deadline = time.monotonic() + REDIS_TIMEOUT_S
    while not (pings(port) or stop.wait(0.05)):
        if supervisor.gave_up.is_set() or time.monotonic() > deadline:
            raise StartError("The embedded Redis does not answer; its own message stands above.")


def pings(port: int) -> bool:
    """Whether a Redis that has finished loading listens on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def answers(url: str) -> bool:
    """Whether the site's first page, which is the sign-in page for a stranger, is served without an error."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())

"""``python -m deploy.local``: prepare everything, run the processes of the Procfile, stop all of them."""

import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from deploy.local.choices import REDIS, Choices
from deploy.local.output import Output
from deploy.local.preflight import HOST, StartError, prepare_folder, require_free_ports, write_environment
from deploy.local.supervisor import Program, Supervisor
from readiness.lib.env import load_dotenv
from readiness.lib.stopping import StopRequest

ROOT = Path(__file__).resolve().parents[2]
OK = 200
REDIS_TIMEOUT_S = 60
"""Loading a large append-only file takes a while before the first command is answered."""
PATIENCE_S = 60
"""A site that does not answer by now is reported, and waited for further."""


def main() -> int:
    """Entry point; whatever is wrong is told in plain words, without a traceback."""
    os.chdir(ROOT)
    stop = StopRequest()
    stop.listen(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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


def run(choices: Choices, stop: StopRequest) -> int:
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
    choices: Choices, programs: list[Program], supervisor: Supervisor, output: Output, stop: StopRequest
) -> int:
    """Run the programs until ``stop`` is set (0) or one of them is given up (1)."""
    if stop.is_set():
        return 0
    for program in programs:
        supervisor.start(program)
    look_at, deadline = 0.0, time.monotonic() + PATIENCE_S
    while not stop.wait(0.25):
        if supervisor.gave_up.is_set():
            output.say(f"{supervisor.failed} keeps ending; its own last lines stand above.")
            return 1
        if time.monotonic() < look_at:
            continue
        status = first_page_status(choices.url)
        if status == OK:
            output.say(choices.welcome())
            look_at = math.inf
        elif status is not None or time.monotonic() > deadline:
            output.say(f"{choices.url} {answered(status)}; the lines above may say why.")
            look_at = time.monotonic() + PATIENCE_S
    return 0


def prepare(choices: Choices, stop: StopRequest) -> None:
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


def wait_for_redis(port: int, supervisor: Supervisor, stop: StopRequest) -> None:
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


def first_page_status(url: str) -> int | None:
    """HTTP status of the first page, which is the sign-in page for a stranger; None while nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return None


def answered(status: int | None) -> str:
    """The site's answer in words."""
    return "does not answer yet" if status is None else f"answers with the error {status}"


if __name__ == "__main__":
    sys.exit(main())

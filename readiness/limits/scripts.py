"""The Lua scripts of ``lua/``, read once, and how they are run.

Every script stands behind the shared files, in name order. Answers are flat lists of names and values.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
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
    OutOfMemoryError,
    ReadOnlyError,
)
"""What redis-py raises when the server cannot serve us now, as opposed to a mistake of ours."""

TIERS_KEY = "limits:tiers"
UPSTREAMS_KEY = "limits:upstreams"
"""Sorted set: upstream → milliseconds when it was last asked for."""
INBOX_PREFIX = "limits:inbox:"

_FOLDER = Path(__file__).parent / "lua"


@cache
def source(name: str) -> str:
    """Text of one script with the shared files in front of it."""
    parts = [*sorted((_FOLDER / "shared").glob("*.lua")), _FOLDER / f"{name}.lua"]
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def keys(upstream: str) -> list[str]:
    """KEYS of every script: the prefix of one upstream's keys, and the stream of usage events."""
    return [f"limits:{{{upstream}}}:", STREAM_KEY]


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


def run(name: str, upstream: str, *args: object) -> Answer:
    """Runs a script from sync code, for pages and periodic jobs. Raises ``LimiterUnavailableError``."""
    script = sync_redis().register_script(source(name))
    try:
        return read(script(keys=keys(upstream), args=arguments(args)))
    except UNREACHABLE as error:
        raise LimiterUnavailableError from error

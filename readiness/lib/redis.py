"""Connections to Redis: one sync client per process, one async client per event loop."""

from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

SOCKET_TIMEOUT_S = 2.0
"""A page or a job that meets a frozen Redis fails after this long instead of hanging."""


@cache
def sync_redis() -> redis.Redis:
    """The process's client for short commands from sync code; strings in, strings out, no retries."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        # redis-py retries ten times by default: a frozen server would then hold a caller for many seconds.
        retry=Retry(NoBackoff(), 0),
    )


def async_redis(socket_timeout: float | None = SOCKET_TIMEOUT_S) -> Any:
    """A new async client, to be closed by the caller; an async client must not outlive its event loop."""
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=socket_timeout,
        socket_connect_timeout=min(SOCKET_TIMEOUT_S, socket_timeout or SOCKET_TIMEOUT_S),
        retry=AsyncRetry(NoBackoff(), 0),
    )

"""Slows down guessing of passwords: failed sign-ins are counted per username and address."""

import hashlib
import logging

from redis.exceptions import RedisError

from readiness.lib.redis import sync_redis

MOST_FAILURES = 10
WINDOW_S = 15 * 60

logger = logging.getLogger(__name__)


def _key(username: str, address: str) -> str:
    # Hashed: a person who types the password into the wrong field must not leave it in Redis.
    return "signin:failures:" + hashlib.sha256(f"{username.casefold()}\n{address}".encode()).hexdigest()


def is_blocked(username: str, address: str) -> bool:
    """True after ``MOST_FAILURES`` in ``WINDOW_S``. Without Redis nobody is blocked: people must get in."""
    try:
        return int(sync_redis().get(_key(username, address)) or 0) >= MOST_FAILURES
    except RedisError:
        logger.warning("Sign-ins are not throttled: Redis does not answer.")
        return False


def note_failure(username: str, address: str) -> None:
    """Counts one failed sign-in; the window starts with the first."""
    try:
        with sync_redis().pipeline() as pipe:
            pipe.incr(_key(username, address))
            pipe.expire(_key(username, address), WINDOW_S, nx=True)
            pipe.execute()
    except RedisError:
        logger.warning("A failed sign-in was not counted: Redis does not answer.")


def forget_failures(username: str, address: str) -> None:
    """After a sign-in that succeeded."""
    try:
        sync_redis().delete(_key(username, address))
    except RedisError:
        logger.warning("Failed sign-ins were not forgotten: Redis does not answer.")

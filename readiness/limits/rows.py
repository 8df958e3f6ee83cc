"""The database as the limiter's event loop sees it."""

from collections.abc import Callable
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

_T = TypeVar("_T")


async def from_database(query: Callable[..., _T], *args: object) -> _T:
    """What the query returns. It runs on the thread for sync code, which an outage may hold up for long.

    No request begins or ends there, so nobody else would replace a connection that broke.
    """
    return await sync_to_async(_ask)(query, *args)


def _ask(query: Callable[..., _T], *args: object) -> _T:
    close_old_connections()
    return query(*args)

"""Limiters as processes use them, on a real Redis."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

import redis
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection

from readiness.lib.events import STREAM_KEY, UsageEvent
from readiness.lib.scopes import Scope
from readiness.limits.limiter import Limiter
from readiness.limits.queries import upstream_state
from readiness.limits.tickets import Cost, Outcome, Permit, ProviderWord, Ticket
from readiness.providers.base import Quota

UPSTREAM = "d1"
ONE_AT_A_TIME = Quota(concurrency=1)
PACED = Quota(rpm=6000, jitter_ms=0)
"""Alone, half of it goes to one process: a call each 20 milliseconds."""


def ticket(
    name: str,
    *,
    quota: Quota = ONE_AT_A_TIME,
    wait_s: float | None = 30,
    tokens: int = 1,
    patient: bool = False,
    **event: Any,
) -> Ticket:
    return Ticket(
        id=name,
        upstream=UPSTREAM,
        quota=quota,
        tier="pro",
        tenant="t",
        cost=Cost(tokens=tokens),
        event=UsageEvent(event_id=name, request_id=name, tier="pro", **event),
        longest_wait_s=wait_s,
        patient=patient,
    )


def outcome(permit: Permit) -> Outcome:
    event = UsageEvent(event_id=permit.id, request_id=permit.id, cost_nanos=permit.ticket.event.cost_nanos)
    return Outcome(event=event, cost=permit.ticket.cost, word=ProviderWord(kind="ok"))


def nothing_spent(scope: Scope, since: datetime, until: datetime) -> int:
    return 0


def opened(**settings: float) -> AbstractAsyncContextManager[Limiter]:
    return Limiter.open(spending=nothing_spent, **settings)


def recorded(client: redis.Redis) -> dict[str, str]:
    """Event id to outcome."""
    events = [UsageEvent.from_entry(fields) for _, fields in client.xrange(STREAM_KEY)]
    return {event.event_id: event.outcome for event in events}


async def until_waiting(count: int) -> None:
    """Returns when so many requests wait in Redis."""
    async with asyncio.timeout(10):
        while upstream_state(UPSTREAM).waiting != count:  # noqa: ASYNC110 (the queue is in Redis)
            await asyncio.sleep(0.01)


async def until_in_flight(count: int) -> None:
    """Returns when Redis knows of so many calls in flight."""
    async with asyncio.timeout(10):
        while upstream_state(UPSTREAM).in_flight != count:  # noqa: ASYNC110 (the calls are in Redis)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def hanging_database() -> AsyncIterator[None]:
    """The thread on which async code asks the database hangs in a query."""
    over = threading.Event()
    query = asyncio.create_task(sync_to_async(over.wait)())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        over.set()
        await query


@asynccontextmanager
async def failing_database(table: str = "") -> AsyncIterator[None]:
    """Every query of async code fails, or those that name the table."""

    def fail(execute: Callable[..., Any], sql: str, *query: Any) -> Any:
        if table in sql:
            raise OperationalError("The database is away.")
        return execute(sql, *query)

    await sync_to_async(lambda: connection.execute_wrappers.append(fail))()
    try:
        yield
    finally:
        await sync_to_async(lambda: connection.execute_wrappers.remove(fail))()

"""What Redis lacks to answer a request and is given by a process: quotas, the policy, money spent before."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from readiness.lib.scopes import Scope
from readiness.limits import services, upstreams
from readiness.limits.link import Link, stop_tasks
from readiness.limits.rows import from_database
from readiness.limits.scripts import Answer
from readiness.limits.tickets import Ticket

Spending = Callable[[Scope, datetime, datetime], int]
"""Nano-dollars recorded for a scope between two moments; the limiter's floor has no records of its own."""


class Preparation:
    """Gives Redis each thing once, however many requests find it missing at the same time."""

    def __init__(self, link: Link, spending: Spending) -> None:
        self._link, self._spending = link, spending
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        await stop_tasks(self._under_way.values())

    async def makes_up_for(self, ticket: Ticket, answer: Answer) -> bool:
        """Gives Redis what the answer says it lacks; False when it lacks nothing.

        Raises ``LimiterUnavailableError``.
        """
        match answer["status"]:
            case "unconfigured":
                await self._once(f"quota of {ticket.upstream}", self._configure, ticket)
            case "no_policy":
                await self._once("policy", from_database, services.publish_policy)
            case "unloaded":
                for scope, *since_ms in json.loads(answer["money"]):
                    await self._once(f"money of {scope}", self._load_money, ticket.upstream, scope, since_ms)
            case _:
                return False
        return True

    async def _once(self, what: str, give: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        """Joins whoever gives it already. It goes on for the others when one of them gives up."""
        task = self._under_way.get(what)
        if task is None:
            task = self._under_way[what] = asyncio.create_task(give(*args))
            task.add_done_callback(lambda done: self._is_given(what, done))
        await asyncio.shield(task)

    def _is_given(self, what: str, task: asyncio.Task[None]) -> None:
        del self._under_way[what]
        if not task.cancelled():
            task.exception()  # those who wait are told; when all gave up nobody asks

    async def _configure(self, ticket: Ticket) -> None:
        wanted = await from_database(
            upstreams.configuration_of, ticket.upstream, ticket.quota, ticket.account, ticket.account_quota
        )
        # Over the link, which says which epoch this process saw: buckets grow from empty after lost data.
        await self._link.run("configure", ticket.upstream, wanted)

    async def _load_money(self, upstream: str, scope: str, since_ms: list[float]) -> None:
        spent = await from_database(self._spent, Scope.parse(scope), since_ms)
        await self._link.run("load_money", upstream, scope, *spent)

    def _spent(self, scope: Scope, since_ms: list[float]) -> list[int]:
        # The records' times are Redis's; a clock of ours that is behind must not hide the latest of them.
        beginnings = (datetime.fromtimestamp(moment / 1000, UTC) for moment in since_ms)
        return [self._spending(scope, since, datetime.max.replace(tzinfo=UTC)) for since in beginnings]

"""The limiter as the processes see it: ask for a permit, wait, settle.

One ``Limiter`` per event loop. It keeps one blocking read on an inbox of its own, to which the scripts push
grants, one timer per upstream for the moment that the scripts name, and heartbeats for all that it waits
for or holds. Nobody leads: any process's call may serve any other's request. While Redis does not answer, the
process admits calls by itself (``alone.py``).
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Self

from readiness.limits import services
from readiness.limits.alone import Alone, Window
from readiness.limits.heartbeats import Heartbeats
from readiness.limits.link import CALL_TIMEOUT_S, PROBE_TIMEOUT_S, Link, retry_delays, stop_tasks
from readiness.limits.preparation import Preparation, Spending
from readiness.limits.rows import from_database
from readiness.limits.scripts import Answer
from readiness.limits.tickets import (
    LimiterUnavailableError,
    Outcome,
    Permit,
    ProviderWord,
    RefusedError,
    Ticket,
)
from readiness.limits.waiter import Waiter

logger = logging.getLogger(__name__)

LEASE_S = 45.0
"""After this long without a heartbeat a holder counts as dead. Longer than half a minute, so that a Redis
that was frozen as long does not take everybody for dead when it wakes."""
HEARTBEAT_S = 5.0
MOST_WAITERS = 100_000
"""Per upstream; further requests are refused."""
MOST_UNREAD_EVENTS = 200_000
"""New work is refused before usage events would have to be dropped."""

_DEADLINE_GRACE_S = 0.15
"""The script tells of an expired wait; after this long without its word the waiter goes by itself."""
_ASKING_GRACE_S = CALL_TIMEOUT_S + PROBE_TIMEOUT_S + 0.1
"""Asking may go on for so much longer: a call without an answer has to find out that Redis is gone."""
_SETTLE_INLINE_S = 0.3
"""How long a caller waits for a settlement; beyond, it goes on in the background."""
_CLOSE_PATIENCE_S = 30.0
_LONGEST_JITTER_MS = 250

_LOST: Answer = {"status": "lost"}


class Limiter:
    """Shared admission for one event loop; open it with ``Limiter.open()``."""

    def __init__(self, *, spending: Spending, lease_s: float, heartbeat_s: float) -> None:
        self._lease_ms = round(lease_s * 1000)
        self._link = Link(on_down=self._redis_is_gone, on_up=self._redis_is_back)
        self._alone = Alone()
        self._waiting: dict[str, Waiter] = {}
        self._in_flight: dict[str, str] = {}
        """Permit id → upstream."""
        self._endings: set[asyncio.Task[None]] = set()
        """Settlements, cancellations and reports on their way."""
        self._heartbeats = Heartbeats(
            self._link,
            self._alone,
            self._waiting,
            self._in_flight,
            lease_ms=self._lease_ms,
            interval_s=heartbeat_s,
        )
        self._preparation = Preparation(self._link, spending)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, spending: Spending, lease_s: float = LEASE_S, heartbeat_s: float = HEARTBEAT_S
    ) -> AsyncIterator[Self]:
        """A running limiter; on the way out it waits for unfinished settlements."""
        limiter = cls(spending=spending, lease_s=lease_s, heartbeat_s=heartbeat_s)
        loops: list[asyncio.Task[None]] = []
        try:
            with suppress(LimiterUnavailableError):  # the sweep or a first call without a policy publishes
                await from_database(services.publish_policy)
                await limiter._heartbeats.register()
            limiter._heartbeats.read_weights()
            inbox = limiter._link.read_inbox(limiter._deliver, limiter._heartbeats.ask_about_all)
            loops += [asyncio.create_task(inbox), asyncio.create_task(limiter._heartbeats.beat())]
            yield limiter
        finally:
            await limiter._close(loops)

    async def _close(self, loops: list[asyncio.Task[None]]) -> None:
        await stop_tasks(loops)
        await self._heartbeats.close()
        await self._preparation.close()
        # A task of its own: this one may be cancelled already, and would then not be heard.
        self._end(self._link.sign_off())
        now = asyncio.get_running_loop().time
        until = now() + _CLOSE_PATIENCE_S
        while self._endings and now() < until:  # a Redis that comes back meanwhile is told more
            await asyncio.wait(self._endings, timeout=until - now())
        if self._endings:
            logger.error("%d settlements did not reach Redis; their leases will expire.", len(self._endings))
        await stop_tasks(self._endings)
        await self._link.close()

    # Asking ---------------------------------------------------------------------------------------------

    async def acquire(self, ticket: Ticket) -> Permit:
        """Waits for leave to send one attempt; it is held until ``settle``.

        Raises ``RefusedError`` when the limits say no, ``LimiterUnavailableError`` when Redis does not
        answer for the whole of the longest wait. A caller that is cancelled leaves the queue.
        """
        now = asyncio.get_running_loop().time
        waiter = self._waiting[ticket.id] = Waiter(ticket, began_at=now())
        try:
            permit = await self._wait_for_permit(waiter)
        except (TimeoutError, asyncio.CancelledError) as error:
            # Whether Redis knows the request is open; should it be granted yet, the grant is given back.
            self._end(self._link.run_until_done("cancel", ticket.upstream, ticket.id))
            if isinstance(error, asyncio.CancelledError):
                raise
            if not self._link.up.is_set():
                raise LimiterUnavailableError from None
            raise RefusedError("timed_out", retry_after_s=1.0) from None
        finally:
            del self._waiting[ticket.id]
        self._in_flight[permit.id] = permit.upstream
        if not permit.degraded:
            self._alone.began(ticket)
        return permit

    async def _wait_for_permit(self, waiter: Waiter) -> Permit:
        """Raises ``TimeoutError`` when the deadline passes without the script's own word about it."""
        now = asyncio.get_running_loop().time
        answer = await self._enqueue(waiter)
        while True:
            match answer["status"]:
                case "granted" | "orphaned":
                    # An orphan's lease ran out while Redis was away; settling replaces the estimate.
                    return waiter.granted(answer, now())
                case "waiting":
                    async with asyncio.timeout_at(waiter.until + _DEADLINE_GRACE_S):
                        answer = await waiter.words.get()
                case "lost":  # perhaps long ago, and Redis is back
                    waiter.is_certain = False
                    if await self._alone.admits(waiter.ticket, until=waiter.until + _DEADLINE_GRACE_S):
                        return waiter.admitted_alone(now())
                    answer = await self._enqueue(waiter)
                case "unknown":  # a Redis that lost its data: ask again
                    answer = await self._enqueue(waiter)
                case _:
                    retry_after_s = int(answer.get("retry_after_ms", 0)) / 1000
                    reason = answer.get("reason", "timed_out")
                    raise RefusedError(reason, retry_after_s, answer.get("limit", ""))

    async def _enqueue(self, waiter: Waiter) -> Answer:
        """Asks for a place, and brings along what Redis says it lacks; the id makes asking again safe.

        The answer's status is ``lost`` when Redis does not answer. Raises ``TimeoutError``.
        """
        now = asyncio.get_running_loop().time
        lacked = ""
        async with asyncio.timeout_at(waiter.until + _ASKING_GRACE_S):
            for delay in retry_delays():
                args = self._asked(waiter.ticket, waiter.wait_left_ms(now()))
                try:
                    answer, asked_at = await self._link.ask("enqueue", waiter.upstream, *args)
                    if not await self._preparation.makes_up_for(waiter.ticket, answer):
                        waiter.note_answer(answer, asked_at, now())
                        self._note_window(waiter.upstream, answer, asked_at)
                        return answer
                    if answer["status"] != lacked:  # what it was given now may be all that it lacked
                        lacked = answer["status"]
                        continue
                except LimiterUnavailableError:
                    waiter.is_certain = False
                    if not self._link.up.is_set():
                        return _LOST
                await asyncio.sleep(delay)
        raise AssertionError("delays do not end")

    def _note_window(self, upstream: str, answer: Answer, asked_at: float) -> None:
        if "full_ms" in answer:
            full_until = asked_at + int(answer["full_ms"]) / 1000
            self._alone.windows[upstream] = Window(left=float(answer["left"]), full_until=full_until)

    def _asked(self, ticket: Ticket, wait_ms: int | None) -> tuple[object, ...]:
        return ticket.to_args(
            lease_ms=self._lease_ms,
            longest_wait_ms=wait_ms,
            most_waiters=MOST_WAITERS,
            most_events=MOST_UNREAD_EVENTS,
        )

    # Ending ---------------------------------------------------------------------------------------------

    async def settle(self, permit: Permit, outcome: Outcome) -> None:
        """Ends an attempt: frees its place and records it, once, however often it is tried.

        While Redis is away the settlement goes on in the background and the caller goes on too: what the
        attempt gave is stored already.
        """
        self._alone.ended(permit.ticket, outcome.word)
        args = _settlement(permit, outcome)

        async def settle_and_let_go() -> None:
            try:
                await self._link.run("settle", permit.upstream, *args)
            except LimiterUnavailableError:
                late = replace(outcome, word=outcome.word.when_late())
                await self._link.run_until_done("settle", permit.upstream, *_settlement(permit, late))
            finally:  # also when Redis will never take it: the place must not be held for ever
                self._in_flight.pop(permit.id, None)

        task = self._end(settle_and_let_go())
        if self._link.up.is_set():
            await asyncio.wait({task}, timeout=_SETTLE_INLINE_S)
        if task.done():
            task.result()

    async def feedback(self, upstream: str, word: ProviderWord) -> None:
        """Tells everybody what the provider said of our rate. Raises ``LimiterUnavailableError``."""
        await self._link.run("feedback", upstream, *word.to_args(0))

    def _end(self, ending: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(ending)
        self._endings.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._endings.discard)
        return task

    # Without Redis --------------------------------------------------------------------------------------

    def _redis_is_gone(self) -> None:
        self._alone.redis_is_gone()
        for waiter in self._waiting.values():
            waiter.hear(_LOST)

    def _redis_is_back(self) -> None:
        for upstream, admitted in self._alone.redis_is_back().items():
            details = json.dumps({"admitted": admitted, "process": self._link.process})
            self._end(self._link.run_until_done("report", upstream, "admitted without redis", details))
        self._heartbeats.ask_about_all()

    # Hearing --------------------------------------------------------------------------------------------

    def _deliver(self, message: Answer) -> None:
        if waiter := self._waiting.get(message["id"]):
            waiter.hear(message)


def _settlement(permit: Permit, outcome: Outcome) -> tuple[object, ...]:
    """Arguments of the ``settle`` script."""
    return (
        permit.id,
        json.dumps(outcome.event.to_fields()),
        *outcome.cost.to_args(),
        outcome.event.cost_nanos,
        *outcome.word.to_args(random.randrange(_LONGEST_JITTER_MS)),  # noqa: S311
        outcome.word.age_ms,
        outcome.sent_ms,
        json.dumps(permit.ticket.scopes()),
    )

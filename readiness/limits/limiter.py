"""The limiter as the processes see it: ask for a permit, wait, settle.

One ``Limiter`` per event loop. It keeps one blocking read on an inbox of its own, to which the scripts push
grants, one timer per upstream for the moment that the scripts name, and heartbeats for all that it waits
for or holds. Nobody leads: any process's call may serve any other's request.
"""

import asyncio
import json
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, Self

from asgiref.sync import sync_to_async

from readiness.lib.events import UsageEvent
from readiness.limits import services
from readiness.limits.link import Link, retry_delays, stop_tasks
from readiness.limits.scripts import Answer
from readiness.limits.tickets import LimiterUnavailableError, Permit, RefusedError, Ticket

logger = logging.getLogger(__name__)

LEASE_S = 45.0
"""After this long without a heartbeat a holder or waiter counts as dead. Longer than half a minute, so that a
Redis that was frozen as long does not take everybody for dead when it wakes."""
HEARTBEAT_S = 5.0
MOST_WAITERS = 20_000
"""Per upstream; further requests are refused."""
MOST_UNREAD_EVENTS = 200_000
"""New work is refused before usage events would have to be dropped."""

_UNKNOWN_WAIT_S = 60.0
"""How long to try to reach Redis for a request whose tier's longest wait is not known yet."""
_DEADLINE_GRACE_S = 2.0
"""The script tells of an expired wait; after this long without its word the waiter goes by itself."""
_SETTLE_INLINE_S = 1.0
"""How long a caller waits for a settlement; beyond, it goes on in the background."""
_CLOSE_PATIENCE_S = 30.0
_LONGEST_JITTER_MS = 250


@dataclass(frozen=True, slots=True)
class _Waiter:
    upstream: str
    words: asyncio.Queue[Answer]
    """What the inbox and the heartbeats say of the request, in order."""


class Limiter:
    """Shared admission for one event loop; open it with ``Limiter.open()``."""

    def __init__(self, *, lease_s: float, heartbeat_s: float) -> None:
        self._lease_ms, self._heartbeat_s = round(lease_s * 1000), heartbeat_s
        self._link = Link()
        self._waiting: dict[str, _Waiter] = {}
        self._in_flight: dict[str, str] = {}
        """Permit id → upstream."""
        self._endings: set[asyncio.Task[None]] = set()
        """Settlements and cancellations on their way."""
        self._reconcile = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, *, lease_s: float = LEASE_S, heartbeat_s: float = HEARTBEAT_S) -> AsyncIterator[Self]:
        """A running limiter; on the way out it waits for unfinished settlements."""
        limiter = cls(lease_s=lease_s, heartbeat_s=heartbeat_s)
        with suppress(LimiterUnavailableError):  # the sweep or a first call without tiers publishes again
            await sync_to_async(services.publish_tiers)()
        inbox = limiter._link.read_inbox(limiter._deliver, limiter._reconcile.set)
        loops = [asyncio.create_task(inbox), asyncio.create_task(limiter._beat())]
        try:
            yield limiter
        finally:
            await limiter._close(loops)

    async def _close(self, loops: list[asyncio.Task[None]]) -> None:
        if self._endings:
            await asyncio.wait(self._endings, timeout=_CLOSE_PATIENCE_S)
        if self._endings:
            logger.error("%d settlements did not reach Redis; their leases will expire.", len(self._endings))
        await stop_tasks([*loops, *self._endings])
        await self._link.close()

    # Asking ---------------------------------------------------------------------------------------------

    async def acquire(self, ticket: Ticket) -> Permit:
        """Waits for leave to send one attempt; it is held until ``settle``.

        Raises ``RefusedError`` when the limits say no, ``LimiterUnavailableError`` when Redis does not
        answer for the whole of the longest wait. A caller that is cancelled leaves the queue.
        """
        waiter = self._waiting[ticket.id] = _Waiter(ticket.upstream, asyncio.Queue())
        try:
            permit = await self._wait_for_permit(ticket, waiter)
        except (TimeoutError, asyncio.CancelledError, LimiterUnavailableError) as error:
            # Whether Redis knows the request is open; should it be granted yet, the grant is given back.
            self._end(self._link.run_until_done("cancel", ticket.upstream, ticket.id))
            if isinstance(error, TimeoutError):
                raise RefusedError("timed_out", retry_after_s=1.0) from None
            raise
        finally:
            del self._waiting[ticket.id]
        self._in_flight[permit.id] = permit.upstream
        return permit

    async def _wait_for_permit(self, ticket: Ticket, waiter: _Waiter) -> Permit:
        """Raises ``TimeoutError`` when the deadline passes without the script's own word about it."""
        now = asyncio.get_running_loop().time
        until = now() + (_UNKNOWN_WAIT_S if ticket.longest_wait_s is None else ticket.longest_wait_s)
        answer = await self._enqueue(ticket, until)
        while True:
            if "deadline_ms" in answer:
                until = now() + int(answer["deadline_ms"]) / 1000
            match answer["status"]:
                case "granted" | "orphaned":
                    # An orphan's lease ran out while Redis was away; settling replaces the estimate.
                    return _permit(ticket, answer, wait_left_s=max(0.0, until - now()))
                case "waiting":
                    async with asyncio.timeout_at(until + _DEADLINE_GRACE_S):
                        answer = await waiter.words.get()
                case "unknown":  # a Redis that lost its data: ask again
                    answer = await self._enqueue(ticket, until)
                case _:
                    retry_after_s = int(answer.get("retry_after_ms", 0)) / 1000
                    raise RefusedError(answer.get("reason", "timed_out"), retry_after_s)

    async def _enqueue(self, ticket: Ticket, until: float) -> Answer:
        """Enqueues, trying again while Redis is away; the id makes that safe."""
        now = asyncio.get_running_loop().time
        quota, event = ticket.quota, json.dumps(ticket.event.to_fields())
        who = (ticket.id, ticket.tier, ticket.tenant, ticket.tokens)
        limits = (quota.rpm, quota.tpm, quota.rpd, quota.concurrency, MOST_WAITERS, MOST_UNREAD_EVENTS)
        for delay in retry_delays():
            wait_ms = None if ticket.longest_wait_s is None else max(0, round((until - now()) * 1000))
            args = (*who, wait_ms, self._lease_ms, event, *limits, ticket.upstream)
            try:
                answer = await self._link.run("enqueue", ticket.upstream, *args)
                if answer["status"] != "no_tiers":
                    return answer
                await sync_to_async(services.publish_tiers)()
            except LimiterUnavailableError:
                if now() + delay > until:
                    raise
                await asyncio.sleep(delay)
        raise AssertionError("delays do not end")

    # Ending ---------------------------------------------------------------------------------------------

    async def settle(self, permit: Permit, event: UsageEvent, *, reached_provider: bool = True) -> None:
        """Ends an attempt: frees its place and records it, once, however often it is tried.

        While Redis is away the settlement goes on in the background and the caller goes on too: what the
        attempt gave is stored already. ``reached_provider``: False when nothing can have been charged, so
        that the queue does not hold the attempt against its tenant.
        """
        charged = (1, permit.tokens) if reached_provider else (0, 0)

        async def settle_and_let_go() -> None:
            args = (permit.id, json.dumps(event.to_fields()), *charged)
            await self._link.run_until_done("settle", permit.upstream, *args)
            del self._in_flight[permit.id]

        task = self._end(settle_and_let_go())
        await asyncio.wait({task}, timeout=_SETTLE_INLINE_S)
        if task.done():
            task.result()

    async def feedback(
        self,
        upstream: str,
        kind: Literal["rate", "ramp", "out_of_credit"],
        *,
        retry_after_s: float | None = None,
        remaining_requests: int | None = None,
        remaining_tokens: int | None = None,
    ) -> None:
        """Tells everybody what the provider said of our rate. Raises ``LimiterUnavailableError``."""
        retry_after_ms = None if retry_after_s is None else round(retry_after_s * 1000)
        jitter_ms = random.randrange(_LONGEST_JITTER_MS)  # noqa: S311
        await self._link.run(
            "feedback", upstream, kind, retry_after_ms, jitter_ms, remaining_requests, remaining_tokens
        )

    def _end(self, ending: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(ending)
        self._endings.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._endings.discard)
        return task

    # Hearing --------------------------------------------------------------------------------------------

    def _deliver(self, message: Answer) -> None:
        if waiter := self._waiting.get(message["id"]):
            waiter.words.put_nowait(message)

    async def _beat(self) -> None:
        """Heartbeats at their interval, and at once when messages may have been lost."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat_s):
                    await self._reconcile.wait()
            self._reconcile.clear()
            try:
                await self._beat_once()
            except LimiterUnavailableError:
                continue
            except Exception:  # one failed heartbeat must not end all those that follow
                logger.exception("A heartbeat failed.")

    async def _beat_once(self) -> None:
        beats: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for waiting_id, waiter in self._waiting.items():
            beats[waiter.upstream][0].append(waiting_id)
        for permit_id, upstream in self._in_flight.items():
            beats[upstream][1].append(permit_id)
        for upstream, (waiting, in_flight) in beats.items():
            answer = await self._link.run(
                "heartbeat", upstream, self._lease_ms, len(waiting), *waiting, *in_flight
            )
            for message in json.loads(answer["changed"]):
                self._deliver(message)


def _permit(ticket: Ticket, answer: Answer, *, wait_left_s: float) -> Permit:
    return Permit(
        id=ticket.id,
        upstream=ticket.upstream,
        tokens=ticket.tokens,
        queue_ms=int(answer["queue_ms"]),
        queued=answer["queued"] == "1",
        wait_left_s=wait_left_s,
    )

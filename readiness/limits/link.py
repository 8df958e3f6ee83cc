"""A process's link to the scripts: running them, the timers they ask for, and the inbox they push to."""

import asyncio
import json
import random
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from redis.exceptions import RedisError

from readiness.lib.redis import async_redis
from readiness.limits.scripts import INBOX_PREFIX, UNREACHABLE, Answer, arguments, keys, read, source
from readiness.limits.tickets import LimiterUnavailableError

_CALLS_AT_ONCE = 32
_INBOX_BLOCK_S = 5.0
_INBOX_BATCH = 100
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.1, 2.0
_CANCEL_AGAIN_S = 0.1


def retry_delays() -> Iterator[float]:
    """Seconds between tries to reach Redis: doubling up to two, with jitter, for ever."""
    delay = _FIRST_RETRY_S
    while True:
        yield delay * random.uniform(0.5, 1.0)  # noqa: S311
        delay = min(delay * 2, _LONGEST_RETRY_S)


async def stop_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels the tasks until they end.

    Once is not always enough: redis-py looks at a pooled connection under a time limit of zero, and a
    cancellation that arrives in that moment is taken for the time-out and swallowed.
    """
    while pending := {task for task in tasks if not task.done()}:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)


def _raise_if_cancelled() -> None:
    """Raises the cancellation that a call to Redis may have swallowed, see ``stop_tasks``."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


class Link:
    """Two connections' worth of Redis for one event loop: calls, and one blocking read."""

    def __init__(self) -> None:
        self.process = f"p{uuid.uuid4().hex[:12]}"
        self._client = async_redis()
        # Of its own, because a blocking read holds its connection.
        self._inbox_client = async_redis(socket_timeout=_INBOX_BLOCK_S + 2)
        self._calls = asyncio.Semaphore(_CALLS_AT_ONCE)
        self._scripts: dict[str, Any] = {}
        self._epoch = ""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._dispatches: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for handle in self._timers.values():
            handle.cancel()
        await stop_tasks(self._dispatches)
        await self._client.aclose()
        await self._inbox_client.aclose()

    async def run(self, name: str, upstream: str, *args: object) -> Answer:
        """Runs a script and arms the timer that it asks for. Raises ``LimiterUnavailableError``."""
        script = self._scripts.get(name) or self._client.register_script(source(name))
        self._scripts[name] = script
        argv = arguments(args, process=self.process, epoch=self._epoch)
        try:
            async with self._calls:
                answer = read(await script(keys=keys(upstream), args=argv))
        except UNREACHABLE as error:
            raise LimiterUnavailableError from error
        _raise_if_cancelled()
        self._epoch = answer.get("epoch") or self._epoch
        self._arm(upstream, int(answer.get("wait_ms", -1)))
        return answer

    async def run_until_done(self, name: str, upstream: str, *args: object) -> None:
        """Runs an idempotent script, trying again for as long as Redis is away."""
        for delay in retry_delays():
            try:
                await self.run(name, upstream, *args)
            except LimiterUnavailableError:
                await asyncio.sleep(delay)
            else:
                return

    def _arm(self, upstream: str, wait_ms: int) -> None:
        """Dispatches after the time that the script named; an earlier timer stays as it is.

        It is never put off: answers may arrive out of order, and a timer too many costs one short call.
        """
        if wait_ms < 0:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + wait_ms / 1000
        armed = self._timers.get(upstream)
        if armed and armed.when() <= due:
            return
        if armed:
            armed.cancel()
        self._timers[upstream] = loop.call_at(due, self._ring, upstream)

    def _ring(self, upstream: str) -> None:
        del self._timers[upstream]
        task = asyncio.create_task(self._dispatch(upstream))
        self._dispatches.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._dispatches.discard)

    async def _dispatch(self, upstream: str) -> None:
        try:
            await self.run("dispatch", upstream)
        except LimiterUnavailableError:
            self._arm(upstream, round(_LONGEST_RETRY_S * 1000))

    async def read_inbox(self, deliver: Callable[[Answer], None], messages_lost: Callable[[], None]) -> None:
        """Hands over every message, for ever; ``messages_lost`` is called when some may have gone missing."""
        inbox = INBOX_PREFIX + self.process
        while True:
            try:
                popped = await self._inbox_client.blmpop(
                    _INBOX_BLOCK_S, 1, inbox, direction="LEFT", count=_INBOX_BATCH
                )
            except (RedisError, OSError):  # whatever it is: without this loop nobody hears of a grant
                await asyncio.sleep(_FIRST_RETRY_S)
                messages_lost()
                continue
            for message in popped[1] if popped else ():
                deliver(json.loads(message))

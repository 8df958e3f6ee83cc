"""A process's link to the scripts: running them, the timers they ask for, the inbox they push to, and the
breaker that says when Redis does not answer."""

import asyncio
import json
import logging
import random
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError, ResponseError

from readiness.lib.redis import async_redis
from readiness.limits.scripts import (
    INBOX_PREFIX,
    Answer,
    arguments,
    is_unknown_function,
    keys,
    library,
    read,
    served_by_redis,
    version,
)
from readiness.limits.tickets import LimiterUnavailableError

logger = logging.getLogger(__name__)

CALL_TIMEOUT_S = 0.25
PROBE_TIMEOUT_S = 0.1
_PROBE_EVERY_S = 0.2
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
    """Calls to Redis for one event loop, and one blocking read.

    A call that gets no answer is followed by a probe. When that gets none either, or when the server says
    itself that it cannot serve, the link is down: calls fail at once, without waiting, until a script can be
    run again.
    """

    def __init__(self, *, on_down: Callable[[], None], on_up: Callable[[], None]) -> None:
        self.process = f"p{uuid.uuid4().hex[:12]}"
        self.up = asyncio.Event()
        self.up.set()
        self._on_down, self._on_up = on_down, on_up
        self._client = async_redis(CALL_TIMEOUT_S)
        self._probe_client = async_redis(PROBE_TIMEOUT_S)
        # Of its own, because a blocking read holds its connection.
        self._inbox_client = async_redis(_INBOX_BLOCK_S + 2)
        self._calls = asyncio.Semaphore(_CALLS_AT_ONCE)
        self._epochs: dict[str, str] = {}
        """By upstream, for each of them has to hear of lost data; under "" the last of any."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for handle in self._timers.values():
            handle.cancel()
        await stop_tasks(self._tasks)
        for client in (self._client, self._probe_client, self._inbox_client):
            await client.aclose()

    async def run(self, name: str, upstream: str, *args: object) -> Answer:
        """Runs a script and arms the timer that it asks for. Raises ``LimiterUnavailableError``."""
        return (await self.ask(name, upstream, *args))[0]

    async def ask(self, name: str, upstream: str, *args: object) -> tuple[Answer, float]:
        """As ``run``, and says when the call was sent, by the event loop's clock."""
        epoch = self._epochs.get(upstream) or self._epochs.get("", "")
        argv = arguments(args, process=self.process, epoch=epoch)
        async with self._calls:
            if not self.up.is_set():
                raise LimiterUnavailableError
            sent_at = asyncio.get_running_loop().time()
            try:
                with served_by_redis():
                    answer = await self._call(self._client, name, upstream, argv)
            except LimiterUnavailableError as error:
                await self._check(is_certain=isinstance(error.__cause__, ResponseError))
                raise
        _raise_if_cancelled()
        if answer.get("epoch"):
            self._epochs[upstream] = self._epochs[""] = answer["epoch"]
        self._arm(upstream, int(answer.get("wait_ms", -1)))
        return answer, sent_at

    @staticmethod
    async def _call(client: Any, name: str, upstream: str, argv: list[Any]) -> Answer:
        command = (version() + name, 2, *keys(upstream), *argv)
        try:
            return read(await client.fcall(*command))
        except ResponseError as error:
            if not is_unknown_function(error):
                raise
            await client.function_load(library(), replace=True)
            return read(await client.fcall(*command))

    async def run_until_done(self, name: str, upstream: str, *args: object) -> None:
        """Runs an idempotent script, trying again for as long as Redis is away."""
        for delay in retry_delays():
            try:
                await self.run(name, upstream, *args)
            except LimiterUnavailableError:
                if self.up.is_set():
                    await asyncio.sleep(delay)
                else:
                    await self.up.wait()
            else:
                return

    # The breaker ----------------------------------------------------------------------------------------

    async def _answers(self) -> bool:
        try:
            await self._probe_client.ping()
        except (RedisError, OSError):  # whatever it is: who does not answer a PING does not serve
            return False
        return True

    async def _serves(self) -> bool:
        """A read-only server, or one with a full disk, answers and yet cannot run a script that writes."""
        argv = arguments((), process=self.process)
        try:
            await self._call(self._probe_client, "register", "-", argv)
        except (RedisError, OSError):
            return False
        return True

    async def _check(self, *, is_certain: bool) -> None:
        """After a call that failed: one probe decides, so that one late answer cuts nobody off.

        ``is_certain``: the server itself said that it cannot serve.
        """
        if self.up.is_set() and (is_certain or not await self._answers()) and self.up.is_set():
            logger.warning("Redis does not answer: this process admits calls by itself, at a reduced rate.")
            self.up.clear()
            self._on_down()
            self._spawn(self._wait_for_redis())

    async def _wait_for_redis(self) -> None:
        while not await self._serves():  # noqa: ASYNC110 - a server cannot set an event
            await asyncio.sleep(_PROBE_EVERY_S)
        logger.warning("Redis answers again.")
        self.up.set()
        self._on_up()

    # Timers ---------------------------------------------------------------------------------------------

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
        self._spawn(self._dispatch(upstream))

    async def _dispatch(self, upstream: str) -> None:
        try:
            await self.run("dispatch", upstream)
        except LimiterUnavailableError:
            if not self.up.is_set():
                await self.up.wait()
            self._arm(upstream, round(_FIRST_RETRY_S * 1000))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    # The inbox ------------------------------------------------------------------------------------------

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

    async def sign_off(self) -> None:
        """Tells that this process ends in order, so that its share goes to the others."""
        with suppress(LimiterUnavailableError):
            await self.run("unregister", "-")

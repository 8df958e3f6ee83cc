"""Many small writes as few transactions, without making anybody wait for a timer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class GroupCommit(Generic[Item]):
    """Writes items in batches: whatever arrives while one batch is being written forms the next.

    ``write`` takes a batch and returns when it is durable; when it raises, everybody of that batch gets the
    error. Use within one event loop.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> None:
        """Returns when the item is durable."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, durable))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain())
        await durable

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._write([item for item, _ in batch])
            except Exception as error:
                _settle(batch, error)
            else:
                _settle(batch, None)


def _settle(batch: Sequence[tuple[object, asyncio.Future[None]]], error: Exception | None) -> None:
    for _, durable in batch:
        if durable.done():  # its waiter was cancelled
            continue
        if error is None:
            durable.set_result(None)
        else:
            durable.set_exception(error)

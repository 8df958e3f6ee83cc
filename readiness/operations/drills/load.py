"""Calls that a drill makes through the one door, and how each of them ended."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil

from readiness.inference.dispatch import Call, Door
from readiness.limits.tickets import LimiterUnavailableError, RefusedError
from readiness.providers.base import ProviderError


class Ending(StrEnum):
    """How a call ended for its caller."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """By our own limits."""
    FAILED = "failed"
    """The provider's error, told in plain words."""
    UNAVAILABLE = "unavailable"
    """Redis did not answer for the whole of the call's longest wait."""
    CRASHED = "crashed"
    """An error that nobody foresaw."""
    LOST = "lost"
    """Nobody was told anything by the end of the drill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One call. Moments are seconds by the event loop's clock."""

    call: Call
    started: float
    ended: float
    ending: Ending = Ending.LOST
    reason: str = ""
    """Of a refusal the limiter's word, of a failure the provider's."""
    limit: str = ""
    retry_after_s: float = 0.0
    queue_s: float = 0.0
    sent: float = 0.0
    """When the attempt that was answered left."""
    cost_nanos: int = 0

    @property
    def seconds(self) -> float:
        return self.ended - self.started


class Load:
    """Calls in flight and those that ended."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._tasks: dict[asyncio.Task[End], Call] = {}
        self._started: dict[asyncio.Task[End], float] = {}
        self.ends: list[End] = []

    def start(self, call: Call) -> None:
        """Makes the call; its end is in ``ends`` as soon as there is one."""
        task = asyncio.create_task(self._make(call))
        self._tasks[task], self._started[task] = call, asyncio.get_running_loop().time()
        task.add_done_callback(self._note)

    def _note(self, task: asyncio.Task[End]) -> None:
        del self._tasks[task], self._started[task]
        if not task.cancelled():
            self.ends.append(task.result())

    async def make(self, call: Call) -> End:
        """Makes one call and waits for its end."""
        end = await self._make(call)
        self.ends.append(end)
        return end

    async def steady(self, calls: Callable[[], Call], *, per_second: float, seconds: float) -> None:
        """Starts calls evenly, whatever becomes of the earlier ones, for so many seconds."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(round(per_second * seconds)):
            await asyncio.sleep(max(0.0, began + number / per_second - loop.time()))
            self.start(calls())
        await asyncio.sleep(max(0.0, began + seconds - loop.time()))

    async def finish(self, *, patience_s: float) -> None:
        """Waits for the calls in flight; one that has no end by then counts as lost."""
        pending = {task: (call, self._started[task]) for task, call in self._tasks.items()}
        if not pending:
            return
        _, late = await asyncio.wait(pending, timeout=patience_s)
        now = asyncio.get_running_loop().time()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        self.ends += [End(call=pending[task][0], started=pending[task][1], ended=now) for task in late]

    async def _make(self, call: Call) -> End:
        now = asyncio.get_running_loop().time
        end = End(call=call, started=now(), ended=0.0)
        try:
            result = await self._door.dispatch(call)
        except RefusedError as error:
            return replace(
                end,
                ended=now(),
                ending=Ending.REFUSED,
                reason=error.reason,
                limit=error.limit,
                retry_after_s=error.retry_after_s,
            )
        except ProviderError as error:
            return replace(end, ended=now(), ending=Ending.FAILED, reason=error.label)
        except LimiterUnavailableError:
            return replace(end, ended=now(), ending=Ending.UNAVAILABLE)
        except Exception as error:  # it is what the drill looks for
            return replace(end, ended=now(), ending=Ending.CRASHED, reason=repr(error))
        ended = now()
        return replace(
            end,
            ended=ended,
            ending=Ending.ANSWERED,
            queue_s=result.queue_ms / 1000,
            sent=ended - (result.latency_ms or 0) / 1000,
            cost_nanos=result.cost_nanos,
        )

    def of(self, ending: Ending) -> list[End]:
        return [end for end in self.ends if end.ending is ending]

    @property
    def answered(self) -> list[End]:
        return self.of(Ending.ANSWERED)


def p95(values: Iterable[float]) -> float:
    """The smallest value that 95 % do not exceed; 0 of nothing."""
    ordered: Sequence[float] = sorted(values)
    return ordered[ceil(0.95 * len(ordered)) - 1] if ordered else 0.0

"""Heartbeats of one process: they keep its calls alive, and ask what became of the requests that wait."""

import asyncio
import json
import logging
import random
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice

from readiness.limits import upstreams
from readiness.limits.alone import Alone
from readiness.limits.link import Link, stop_tasks
from readiness.limits.rows import from_database
from readiness.limits.tickets import LimiterUnavailableError
from readiness.limits.waiter import Waiter

logger = logging.getLogger(__name__)

_ASKED_AT_ONCE = 200
"""Requests that one call asks about, so that none of them holds Redis up."""
_ASK_AGAIN_S = 0.5


class Heartbeats:
    """Beats at an interval, and at once when messages may have been lost.

    ``waiting`` and ``in_flight`` (permit id → upstream) are the limiter's own books, read at each beat.
    """

    def __init__(
        self,
        link: Link,
        alone: Alone,
        waiting: Mapping[str, Waiter],
        in_flight: Mapping[str, str],
        *,
        lease_ms: int,
        interval_s: float,
    ) -> None:
        self._link, self._alone = link, alone
        self._waiting, self._in_flight = waiting, in_flight
        self._lease_ms, self._interval_s = lease_ms, interval_s
        self._reconcile = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    def ask_about_all(self) -> None:
        """Beats at once, and about every request: messages may have been lost."""
        self._reconcile.set()

    async def register(self) -> None:
        """Says that this process lives, and hears of how many. Raises ``LimiterUnavailableError``."""
        answer = await self._link.run("register", "-")
        self._alone.processes = int(answer["processes"])

    async def beat(self) -> None:
        """Beats for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._reconcile.wait()
            about_all = self._reconcile.is_set()
            self._reconcile.clear()
            await self._beat_once(about_all=about_all)

    async def close(self) -> None:
        """To be called when ``beat`` has ended."""
        if self._reading:
            await stop_tasks([self._reading])

    async def _beat_once(self, *, about_all: bool) -> None:
        try:
            await self._tell(about_all=about_all)
            about_all = False
            await self.register()
        except LimiterUnavailableError:
            pass
        except Exception:  # one failed heartbeat must not end all those that follow
            logger.exception("A heartbeat failed.")
        if about_all and self._link.up.is_set():  # not all were asked about; one that is back asks anyway
            await asyncio.sleep(_ASK_AGAIN_S)
            self._reconcile.set()
        self.read_weights()

    async def _tell(self, *, about_all: bool) -> None:
        beats: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for permit_id, upstream in self._in_flight.items():
            beats[upstream][1].append(permit_id)
        for waiting_id, waiter in self._waiting.items():
            beats[waiter.upstream][0].append(waiting_id)
        for upstream, (waiting, in_flight) in beats.items():
            if not about_all:
                # Any message can be lost, but seldom: a part of them is asked about with each beat.
                waiting = random.sample(waiting, min(len(waiting), _ASKED_AT_ONCE))
            try:
                await self._tell_upstream(upstream, waiting, in_flight)
            except LimiterUnavailableError:
                raise
            except Exception:  # the leases at all others hang on their heartbeats
                logger.exception("A heartbeat failed at %s.", upstream)

    async def _tell_upstream(self, upstream: str, waiting: list[str], in_flight: list[str]) -> None:
        asking, holding = iter(waiting), iter(in_flight)
        while True:
            asked, held = list(islice(asking, _ASKED_AT_ONCE)), list(islice(holding, _ASKED_AT_ONCE))
            if not asked and not held:
                return
            answer = await self._link.run("heartbeat", upstream, self._lease_ms, len(asked), *asked, *held)
            for message in json.loads(answer["changed"]):
                if waiter := self._waiting.get(message["id"]):
                    waiter.hear(message)

    def read_weights(self) -> None:
        """Brings the tiers' weights up to date, in a task of its own.

        A database that is away or hangs must not hold heartbeats up: after a lease without one, all calls in
        flight would be taken for dead.
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_weights())

    async def _read_weights(self) -> None:
        try:
            self._alone.weights = await from_database(upstreams.tier_weights)
        except Exception:  # whatever the database says: the weights known before are as good
            logger.warning("The weights of the tiers cannot be read.", exc_info=True)

"""From the stream of usage events to rows: at-least-once delivery, made exactly-once by the event's id."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import redis
from django.db import DatabaseError, DataError, IntegrityError, close_old_connections

from readiness.lib.events import STREAM_KEY, UsageEvent
from readiness.telemetry.services import write_events

logger = logging.getLogger(__name__)

GROUP: Final = "recorder"
CONSUMER: Final = "recorder"
"""One name for every recorder: whoever starts next takes over what the last one had read and not written."""
DEAD_KEY: Final = "telemetry:dead"
"""Entries that cannot be recorded, kept to be looked at."""
DEAD_LENGTH: Final = 1_000
BATCH: Final = 500
BLOCK_MS: Final = 1_000
"""Shorter than the socket's time limit, so that an empty stream is not mistaken for a frozen Redis."""
PAUSE_S: Final = 1.0

Entry = tuple[str, dict[str, str]]


class Recorder:
    """Reads one stream by consumer group. Entries are acknowledged only after their commit."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._unfinished = True
        """True while entries may have been read and not acknowledged: at the start and after a failure."""

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Records until told to stop. Trouble with Redis or the database is waited out."""
        while not should_stop():
            try:
                self.record_once()
            except redis.RedisError as error:
                self._wait("Redis does not answer", error)
            except DatabaseError as error:
                self._wait("the database does not take the records", error)
                close_old_connections()

    def record_once(self, block_ms: int = BLOCK_MS) -> int:
        """Writes and acknowledges one batch; returns how many entries it had."""
        entries = self._read(block_ms)
        if entries:
            self._write(entries)
            self._acknowledge([entry_id for entry_id, _ in entries])
        return len(entries)

    def _wait(self, what: str, error: Exception) -> None:
        logger.warning("The recorder waits: %s (%s).", what, error)
        self._unfinished = True
        time.sleep(PAUSE_S)

    def _read(self, block_ms: int) -> list[Entry]:
        if self._unfinished:
            self._ensure_group()
            if entries := self._entries("0", None):
                return entries
            self._unfinished = False
        try:
            return self._entries(">", block_ms)
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._unfinished = True  # Redis came back empty
            return []

    def _ensure_group(self) -> None:
        try:
            self._redis.xgroup_create(STREAM_KEY, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _entries(self, after: str, block_ms: int | None) -> list[Entry]:
        reply = self._redis.xreadgroup(GROUP, CONSUMER, {STREAM_KEY: after}, count=BATCH, block=block_ms)
        if not reply:
            return []
        # RESP2 gives a list of (stream, entries), RESP3 a dict; both hold our one stream.
        streams: Any = reply.values() if isinstance(reply, dict) else (pair[1] for pair in reply)
        return [entry for stream in streams for entry in stream]

    def _write(self, entries: Sequence[Entry]) -> None:
        events = []
        for entry_id, raw in entries:
            try:
                events.append((entry_id, raw, _parse(raw)))
            except (TypeError, ValueError) as error:
                self._bury(entry_id, raw, error)
        self._write_or_split(events)

    def _write_or_split(self, events: Sequence[tuple[str, dict[str, str], UsageEvent]]) -> None:
        """Writes the events; one that the database refuses is found by halves and blocks no other."""
        if not events:
            return
        try:
            write_events(event for _, _, event in events)
        except (DataError, IntegrityError) as error:
            if len(events) == 1:
                self._bury(*events[0][:2], error)
                return
            middle = len(events) // 2
            self._write_or_split(events[:middle])
            self._write_or_split(events[middle:])

    def _bury(self, entry_id: str, raw: dict[str, str], error: Exception) -> None:
        logger.error("Usage event %s cannot be recorded and was moved to %s: %s", entry_id, DEAD_KEY, error)
        letter: dict[Any, Any] = {**raw, "dead_id": entry_id, "dead_reason": str(error)[:300]}
        self._redis.xadd(DEAD_KEY, letter, maxlen=DEAD_LENGTH)

    def _acknowledge(self, entry_ids: Sequence[str]) -> None:
        """Acknowledges written entries and trims the stream up to the first that is not acknowledged."""
        self._redis.xack(STREAM_KEY, GROUP, *entry_ids)
        pending = self._redis.xpending(STREAM_KEY, GROUP)
        keep_from = pending["min"] or entry_ids[-1]
        self._redis.xtrim(STREAM_KEY, minid=keep_from, approximate=False)


def _parse(raw: dict[str, str]) -> UsageEvent:
    """The event of an entry. Raises ValueError or TypeError when it cannot be one."""
    event = UsageEvent.from_entry(raw)
    if not event.event_id or event.at_ms <= 0:
        raise ValueError("the event has no id or no time")
    return event

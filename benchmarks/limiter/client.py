"""One client process: offers load, waits for the limiter's permits, calls the simulated service, settles.

    python -m benchmarks.limiter.start client SPEC.json

The specification is a ``common.Spec``. Every request becomes a line of the rows file, see ``common.Row``.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit
from uuid import uuid4

from benchmarks.limiter.common import Load, Row, Spec, told
from benchmarks.limiter.wire import Reply, Wire
from readiness.lib.events import UsageEvent
from readiness.limits.limiter import Limiter
from readiness.limits.tickets import (
    NO_COST,
    Cost,
    LimiterUnavailableError,
    Outcome,
    Permit,
    ProviderWord,
    RefusedError,
    Ticket,
)
from readiness.providers.base import Accounting, Quota, WindowKind
from readiness.providers.clients.failures import parse_failure, to_error
from readiness.providers.clients.quota_headers import rate_limits
from readiness.telemetry.queries import spent_nanos


class Client:
    """The loads of one process."""

    def __init__(self, spec: Spec, limiter: Limiter, rows: TextIO) -> None:
        self._spec, self._limiter, self._rows = spec, limiter, rows
        self._quota = _quota(spec.quota)
        port = urlsplit(spec.base_url).port
        assert port
        self._wire = Wire(port, "sim-benchmark")
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Offers every load from the common start on; at the end whoever still waits leaves the queue."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._spec.end_at and self._spec.end_at - time.time()):
                async with asyncio.TaskGroup() as group:
                    for load in self._spec.loads:
                        group.create_task(self._offer(load))
        if self._calls:
            await asyncio.wait(self._calls)

    async def _offer(self, load: Load) -> None:
        await asyncio.sleep(max(0.0, self._spec.start_at + load.starts_s - time.time()))
        if load.in_flight:
            sizes = iter(load.sizes) if load.sizes else _for_ever(load.size)
            async with asyncio.TaskGroup() as group:
                for _ in range(load.in_flight):
                    group.create_task(self._one_after_another(load, sizes))
            return
        async with asyncio.TaskGroup() as group:
            for due, size in load.arrivals:
                await asyncio.sleep(max(0.0, self._spec.start_at + load.starts_s + due - time.time()))
                group.create_task(self._one(load, size))

    async def _one_after_another(self, load: Load, sizes: Iterator[int]) -> None:
        for size in sizes:
            status = await self._one(load, size)
            if status < 0:
                await asyncio.sleep(0.1)  # refused before it was queued: not at once again

    async def _one(self, load: Load, size: int) -> int:
        """Returns the status, -1 when our own limits said no."""
        row = Row(load.tier, load.tenant, size, asked=time.time())
        try:
            permit = await self._limiter.acquire(self._ticket(load, size))
        except (RefusedError, LimiterUnavailableError) as error:
            reason = error.reason if isinstance(error, RefusedError) else "unavailable"
            self._write(row._replace(granted=time.time(), status=-1, reason=reason))
            return -1
        except asyncio.CancelledError:  # the run is over: how long it waited in vain counts too
            self._write(row._replace(granted=time.time(), status=-1, reason="cancelled"))
            raise
        # From here on the call is the service's: it ends even when the time of the run is over.
        call = asyncio.create_task(self._send(permit, load, row._replace(granted=time.time())))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        await asyncio.shield(call)
        return 0

    async def _send(self, permit: Permit, load: Load, row: Row) -> None:
        sent = time.time()
        sent_ms = permit.sent_ms(asyncio.get_running_loop().time())
        messages = [{"role": "user", "content": "?"}]
        reply = await self._wire.post(
            "/v1/chat/completions", {"model": self._spec.model, "messages": messages, "max_tokens": row.size}
        )
        self._write(row._replace(sent=sent, answered=time.time(), status=reply.status))
        await self._limiter.settle(permit, _outcome(permit, reply, sent_ms))

    def _ticket(self, load: Load, size: int) -> Ticket:
        declared = max(1, size // load.declared_one_in)
        name = uuid4().hex
        event = UsageEvent(
            event_id=name, request_id=name, tier=load.tier, tenant=load.tenant, output_tokens=declared
        )
        return Ticket(
            id=name,
            upstream=self._spec.model,
            quota=self._quota,
            tier=load.tier,
            tenant=load.tenant,
            cost=Cost(tokens=declared, input_tokens=1, output_tokens=declared),
            event=event,
            longest_wait_s=load.longest_wait_s,
            patient=load.tier == "benchmark",
        )

    def _write(self, row: Row) -> None:
        self._rows.write(json.dumps(row) + "\n")


def _quota(fields: Mapping[str, Any]) -> Quota:
    """From JSON, where an enumeration's member is plain text."""
    kinds = {"window": WindowKind, "day_window": WindowKind, "accounting": Accounting}
    typed: dict[str, Any] = {name: kinds[name](value) for name, value in fields.items() if name in kinds}
    return Quota(**{**fields, **typed})


def _for_ever(size: int) -> Iterator[int]:
    while True:
        yield size


def _outcome(permit: Permit, reply: Reply, sent_ms: int | None) -> Outcome:
    """What the one door would tell the limiter of this answer."""
    event = permit.ticket.event
    if reply.status == 200:
        quota = rate_limits(reply.headers)
        word = ProviderWord(kind="ok", limits=quota.limit, remaining=quota.remaining)
        usage = json.loads(reply.body)["usage"]
        cost = replace(
            permit.ticket.cost,
            input_tokens=usage["prompt_tokens"],
            output_tokens=usage["completion_tokens"],
        )
        return Outcome(event=event, cost=cost, word=word, sent_ms=sent_ms)
    failed = replace(event, outcome="failed", http_status=reply.status)
    if reply.status == 0:
        return Outcome(event=failed, cost=NO_COST, word=ProviderWord(kind="unreachable"))
    error = to_error(parse_failure(reply.status, reply.body), reply.headers, secret="", now=datetime.now(UTC))
    word = ProviderWord(
        kind=error.signal,
        retry_after_s=error.retry_after_s,
        limits=error.rate_limits.limit,
        remaining=error.rate_limits.remaining,
    )
    return Outcome(event=failed, cost=permit.ticket.cost, word=word, sent_ms=sent_ms)


async def _run(path: Path, rows: TextIO, kind: type[Client]) -> None:
    async with Limiter.open(spending=spent_nanos) as limiter:
        spec = await asyncio.to_thread(told, path)
        await kind(spec, limiter, rows).run()


def main(path: Path, kind: type[Client] = Client) -> None:
    """Runs the specification that the file will hold."""
    with path.with_suffix(".rows").open("w", encoding="utf-8") as rows:
        asyncio.run(_run(path, rows, kind))

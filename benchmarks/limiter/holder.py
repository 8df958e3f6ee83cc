"""A client process that holds each permit for a while instead of calling a service.

    python -m benchmarks.limiter.start holder SPEC.json

For what is judged by the limiter's order alone; see ``client`` for everything else. Of a tenant named ``a|b``
the limiter hears ``a``: ``b`` tells apart who asked.
"""

import asyncio
import random
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.limiter import client
from benchmarks.limiter.common import Load, Row
from readiness.limits.tickets import Cost, Outcome, Permit, ProviderWord, Ticket

MEDIAN_S, SIGMA, LONGEST_S = 0.3, 0.5, 2.0
"""How long calls take: log-normal."""


class Holder(client.Client):
    """The loads of one process."""

    def _ticket(self, load: Load, size: int) -> Ticket:
        return replace(super()._ticket(load, size), tenant=load.tenant.partition("|")[0])

    async def _send(self, permit: Permit, load: Load, row: Row) -> None:
        sent = time.time()
        await asyncio.sleep(min(LONGEST_S, MEDIAN_S * random.lognormvariate(0, SIGMA)))
        self._write(row._replace(sent=sent, answered=time.time(), status=200))
        outcome = Outcome(
            event=replace(permit.ticket.event, output_tokens=row.size),
            cost=Cost(tokens=row.size, input_tokens=1, output_tokens=row.size),
            word=ProviderWord(kind="ok"),
            sent_ms=0,
        )
        await self._limiter.settle(permit, outcome)


def main(path: Path) -> None:
    """Runs the specification that the file will hold."""
    client.main(path, Holder)

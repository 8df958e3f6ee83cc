"""One shard of a run: claims cells, has them asked and scored, says how each ended.

Any number of shards may work on a run at once, in any number of processes; they meet only in the database
(leases, budget) and in Redis (permits).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from readiness.datasets.models import RecordedOutput
from readiness.datasets.queries import recorded_outputs
from readiness.evaluations.asking import Asking
from readiness.evaluations.group_commit import GroupCommit
from readiness.evaluations.models import Cell
from readiness.evaluations.plans import PlanError, RunPlan, load_plan
from readiness.evaluations.services.cells import (
    LEASE,
    Answer,
    Claim,
    Outcome,
    claim_cells,
    finish_cells,
    renew_leases,
    return_cells,
    store_answers,
)
from readiness.evaluations.services.runs import fail_run, finish_if_complete, pause_run
from readiness.inference.dispatch import Door, open_door
from readiness.lib.formats import format_seconds
from readiness.limits.tickets import LimiterUnavailableError, RefusedError
from readiness.prompts.rendering import PromptError
from readiness.providers.base import (
    BadCredentialError,
    OutOfCreditError,
    ProviderError,
    UnreachableError,
)
from readiness.providers.registry import ClientPool

logger = logging.getLogger(__name__)

SLOTS: Final = 32
"""Cells in flight per deployment and shard. Most of them wait for a permit, which keeps the queue in the
limiter filled; a killed worker loses at most this many."""

SHARD_TIME: Final = timedelta(minutes=8)
"""A shard hands over to a new job well before RQ's time limit."""

BREAKER: Final = 5
"""Calls in a row to one deployment that were turned away or never got there: all further ones would be."""


@dataclass(frozen=True, slots=True)
class ShardEnd:
    """Why a shard stopped. ``more`` is True when a new shard should go on at once."""

    more: bool
    finished: int


async def run_shard(
    run_id: UUID, *, clock: Callable[[], datetime], clients: ClientPool | None = None
) -> ShardEnd:
    """Works on the run until nothing is left to claim, the run is stopped, or the shard's time is over.

    A run that cannot be worked on is ended or paused with the reason. ``clients`` is a seam for tests.
    """
    try:
        plan = await sync_to_async(load_plan)(run_id, clock().date())
    except PlanError as error:
        await sync_to_async(fail_run)(run_id=run_id, reason=str(error)[:300], now=clock())
        return ShardEnd(more=False, finished=0)
    except BadCredentialError as error:
        await sync_to_async(pause_run)(run_id=run_id, reason=str(error)[:300])
        return ShardEnd(more=False, finished=0)
    async with open_door(clients) as door:
        return await _Shard(plan, door, clock).run()


class _Shard:
    def __init__(self, plan: RunPlan, door: Door, clock: Callable[[], datetime]) -> None:
        self._plan = plan
        self._clock = clock
        self._token = uuid4().hex
        self._ends_at = clock() + SHARD_TIME
        self._tasks: dict[asyncio.Task[None], Cell] = {}
        self._drained: set[int] = set()
        """Deployments of which the last claim gave less than was wanted."""
        self._closed = False
        """The run takes no more claims."""
        self._refused = False
        """Our limits did not serve a call in time: further ones would only wait in vain."""
        self._finished = 0
        self._turned_away: Counter[int] = Counter()
        self._outcomes: GroupCommit[Outcome] = GroupCommit(self._write_outcomes)
        answers: GroupCommit[Answer] = GroupCommit(self._write_answers)
        self._asking = Asking(plan=plan, door=door, clock=clock, until=self._ends_at, store=answers.add)

    async def run(self) -> ShardEnd:
        renewing = asyncio.create_task(self._renew_forever())
        try:
            await self._work()
        finally:
            # After an error or a cancellation; the reaper frees the cells of what is cut short here.
            await _end([renewing, *self._tasks])
        done = await sync_to_async(finish_if_complete)(run_id=self._plan.run_id, now=self._clock())
        goes_on = self._clock() >= self._ends_at or (self._refused and self._finished > 0)
        return ShardEnd(more=goes_on and not done and not self._closed, finished=self._finished)

    async def _work(self) -> None:
        """Claims as slots become free; what is in flight always ends, because it is paid for already."""
        while True:
            if not self._stopped():
                await self._fill()
            if not self._tasks:
                return
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            self._collect(done)

    def _stopped(self) -> bool:
        return self._closed or self._refused or self._clock() >= self._ends_at

    async def _fill(self) -> None:
        """Claims for the deployments with room; asks again for all of them when nothing is in flight."""
        if not self._tasks:
            self._drained.clear()
        busy = Counter(cell.deployment_id for cell in self._tasks.values())
        free = {pk: SLOTS - busy[pk] for pk in self._plan.specs if pk not in self._drained}
        # A quarter at a time: each claim is a transaction on the run's row.
        wanted = {pk: slots for pk, slots in free.items() if slots >= SLOTS // 4}
        if not wanted:
            return
        claim = await self._claim(wanted)
        self._closed = not claim.open
        given = Counter(cell.deployment_id for cell in claim.cells)
        self._drained |= {pk for pk, slots in wanted.items() if given[pk] < slots}
        await self._start(claim.cells)

    async def _claim(self, wanted: Mapping[int, int]) -> Claim:
        return await sync_to_async(claim_cells)(
            run_id=self._plan.run_id,
            wanted=wanted,
            token=self._token,
            bound=self._plan.worst_nanos,
            now=self._clock(),
        )

    async def _start(self, cells: Sequence[Cell]) -> None:
        recordings = await self._recordings(cells)
        for cell in cells:
            model = self._plan.specs[cell.deployment_id].model
            recording = recordings.get((cell.example_id, model, cell.trial))
            self._tasks[asyncio.create_task(self._run_cell(cell, recording))] = cell

    async def _recordings(self, cells: Sequence[Cell]) -> Mapping[tuple[int, str, int], RecordedOutput]:
        if self._plan.prompt is not None or not cells:
            return {}
        models = {spec.model for spec in self._plan.specs.values()}
        return await sync_to_async(recorded_outputs)({cell.example_id for cell in cells}, models)

    def _collect(self, done: set[asyncio.Task[None]]) -> None:
        for task in done:
            del self._tasks[task]
            task.result()  # a bug or a lost database ends the shard loudly

    async def _run_cell(self, cell: Cell, recording: RecordedOutput | None) -> None:
        try:
            output = cell.output if cell.answered_at else await self._asking.output(cell, recording)
            scores = await self._asking.scores(cell, output)
        except LimiterUnavailableError as error:
            await self._give_back(cell, error)
        except RefusedError as error:
            await self._cope_with_refusal(cell, error)
        except PromptError as error:
            await self._fail(cell, "prompt", error)
        except ProviderError as error:
            await self._cope_with_provider(cell, error)
        else:
            self._turned_away[cell.deployment_id] = 0
            await self._outcomes.add(
                Outcome(cell_id=cell.pk, token=self._token, at=self._clock(), scores=scores)
            )

    async def _cope_with_refusal(self, cell: Cell, error: RefusedError) -> None:
        """Waiting helps against a full queue, not against a request that no quota can ever hold."""
        if error.reason.startswith("too_large"):
            await self._fail(cell, error.reason, error)
            return
        if error.reason == "out_of_credit":
            await self._pause(str(error))
        elif error.reason == "budget_exceeded":
            # Asking again until a day or month is over would only fill the records with refusals.
            left = format_seconds(error.retry_after_s)
            await self._pause(f"{error} It begins anew in {left}: resume then, or have it raised.")
        await self._give_back(cell, error)

    async def _give_back(self, cell: Cell, error: Exception) -> None:
        """The call was not served in time: the cell stays to be done."""
        logger.warning("run %s: cell %s goes back to the queue: %s", self._plan.run_id, cell.pk, error)
        self._refused = True
        await sync_to_async(return_cells)(run_id=self._plan.run_id, token=self._token, cell_ids=[cell.pk])

    async def _cope_with_provider(self, cell: Cell, error: ProviderError) -> None:
        """An error that every further call would meet pauses the run; any other fails its cell alone."""
        if isinstance(error, OutOfCreditError):
            await self._pause(f"The provider reports no credit left. {error}")
            await self._give_back(cell, error)
            return
        if isinstance(error, BadCredentialError | UnreachableError):
            self._turned_away[cell.deployment_id] += 1
            if self._turned_away[cell.deployment_id] == BREAKER:
                await self._pause(f"{BREAKER} calls in a row did not get through. {error}")
        await self._fail(cell, error.label, error)

    async def _fail(self, cell: Cell, label: str, error: Exception) -> None:
        await self._outcomes.add(
            Outcome(
                cell_id=cell.pk,
                token=self._token,
                at=self._clock(),
                error_class=label,
                error_message=str(error),
            )
        )

    async def _pause(self, reason: str) -> None:
        self._closed = True
        await sync_to_async(pause_run)(run_id=self._plan.run_id, reason=reason[:300])

    async def _write_answers(self, batch: Sequence[Answer]) -> None:
        await sync_to_async(store_answers)(run_id=self._plan.run_id, answers=batch)

    async def _write_outcomes(self, batch: Sequence[Outcome]) -> None:
        await sync_to_async(finish_cells)(run_id=self._plan.run_id, outcomes=batch)
        self._finished += len(batch)

    async def _renew_forever(self) -> None:
        """Keeps the leases of everything in flight alive; ends by cancellation."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                await sync_to_async(renew_leases)(token=self._token, now=self._clock())
            except DatabaseError:
                logger.exception("run %s: leases were not renewed; tried again soon", self._plan.run_id)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels what still runs and waits until it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

"""One shard of a run: claims cells, asks the models through the one door, scores, stores.

Any number of shards may work on a run at once, in any number of processes; they meet only in the database
(leases, budget) and in Redis (permits).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async

from readiness.datasets.models import RecordedOutput
from readiness.datasets.queries import recorded_outputs
from readiness.evaluations.group_commit import GroupCommit
from readiness.evaluations.models import Cell, CellScore
from readiness.evaluations.plans import RunPlan, load_plan
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
from readiness.evaluations.services.runs import finish_if_complete, pause_run
from readiness.inference.dispatch import Call, Door, Result, open_door
from readiness.judges.services import judge_sample
from readiness.lib.events import Purpose
from readiness.limits.tickets import LimiterUnavailableError, RefusedError
from readiness.providers.base import BadCredentialError, OutOfCreditError, ProviderError, Replay
from readiness.scorers.base import Kind, Sample, Score, ScorerSpec
from readiness.scorers.registry import run_scorer

logger = logging.getLogger(__name__)

SLOTS: Final = 32
"""Cells in flight per deployment and shard. Most of them wait for a permit, which keeps the queue in the
limiter filled; a killed worker loses at most this many."""

SHARD_TIME: Final = timedelta(minutes=8)
"""A shard hands over to a new job well before RQ's time limit."""

BREAKER: Final = 5
"""Authentication errors in a row that pause the run: the key is wrong, and every call would say so."""

LONGEST_WAIT_S: Final = 900.0
"""How long one call of a run may queue; a run waits rather than fails."""


@dataclass(frozen=True, slots=True)
class ShardEnd:
    """Why a shard stopped. ``more`` is True when the run still has work for another shard."""

    more: bool
    finished: int


async def run_shard(run_id: UUID, *, clock: Callable[[], datetime]) -> ShardEnd:
    """Works on the run until nothing is left to claim, the run is stopped, or the shard's time is over."""
    plan = await sync_to_async(load_plan)(run_id, clock().date())
    async with open_door() as door:
        shard = _Shard(plan, door, clock)
        renewing = asyncio.create_task(shard.renew_forever())
        try:
            return await shard.work()
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing


class _Shard:
    def __init__(self, plan: RunPlan, door: Door, clock: Callable[[], datetime]) -> None:
        self._plan = plan
        self._door = door
        self._clock = clock
        self._token = uuid4().hex
        self._ends_at = clock() + SHARD_TIME
        self._tasks: dict[asyncio.Task[None], Cell] = {}
        self._stop = False
        self._finished = 0
        self._bad_credentials = 0
        self._answers: GroupCommit[Answer] = GroupCommit(self._write_answers)
        self._outcomes: GroupCommit[Outcome] = GroupCommit(self._write_outcomes)

    async def work(self) -> ShardEnd:
        drained = False
        while not self._stop and self._clock() < self._ends_at:
            if not drained or not self._tasks:
                claim = await self._claim()
                drained = not claim.cells
                await self._start(claim.cells)
                if not claim.open:
                    self._stop = True
            if not self._tasks:
                break
            await self._wait_for_room(drained)
        await self._finish_tasks()
        done = await sync_to_async(finish_if_complete)(run_id=self._plan.run_id, now=self._clock())
        return ShardEnd(
            more=not self._stop and not done and self._clock() >= self._ends_at, finished=self._finished
        )

    async def renew_forever(self) -> None:
        """Keeps the leases of everything in flight alive; ends by cancellation."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            await sync_to_async(renew_leases)(token=self._token, now=self._clock())

    async def _claim(self) -> Claim:
        busy = Counter(cell.deployment_id for cell in self._tasks.values())
        return await sync_to_async(claim_cells)(
            run_id=self._plan.run_id,
            wanted={deployment_id: SLOTS - busy[deployment_id] for deployment_id in self._plan.specs},
            token=self._token,
            bound=self._plan.worst_nanos,
            now=self._clock(),
        )

    async def _start(self, cells: Sequence[Cell]) -> None:
        recordings = await self._recordings(cells)
        for cell in cells:
            model = self._plan.specs[cell.deployment_id].model
            recording = recordings.get((cell.example_id, model, cell.trial))
            task = asyncio.create_task(self._run_cell(cell, recording))
            self._tasks[task] = cell

    async def _recordings(self, cells: Sequence[Cell]) -> Mapping[tuple[int, str, int], RecordedOutput]:
        if self._plan.prompt is not None or not cells:
            return {}
        models = {spec.model for spec in self._plan.specs.values()}
        return await sync_to_async(recorded_outputs)({cell.example_id for cell in cells}, models)

    async def _wait_for_room(self, drained: bool) -> None:
        """Returns when a quarter of the slots is free, so that claims come in batches (drained: all)."""
        keep = 0 if drained else SLOTS * len(self._plan.specs) * 3 // 4
        while len(self._tasks) > keep and not self._stop:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            self._collect(done)

    async def _finish_tasks(self) -> None:
        """Lets what is in flight end: it is paid for already."""
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            self._collect(done)

    def _collect(self, done: set[asyncio.Task[None]]) -> None:
        for task in done:
            del self._tasks[task]
            task.result()  # a bug or a lost database ends the shard loudly; the reaper frees its cells

    async def _run_cell(self, cell: Cell, recording: RecordedOutput | None) -> None:
        try:
            output = cell.output if cell.answered_at else await self._answer(cell, recording)
            scores = [await self._score(cell, spec, output) for spec in self._plan.scorers]
        except LimiterUnavailableError as error:
            await self._give_back(cell, error)
        except RefusedError as error:
            await self._refused(cell, error)
        except ProviderError as error:
            await self._fail(cell, error.label, error)
        else:
            self._bad_credentials = 0
            await self._outcomes.add(
                Outcome(cell_id=cell.pk, token=self._token, at=self._clock(), scores=scores)
            )

    async def _answer(self, cell: Cell, recording: RecordedOutput | None) -> str:
        """Asks the model; the answer is durable before its permit is settled."""
        spec = self._plan.specs[cell.deployment_id]

        async def store(result: Result) -> None:
            await self._answers.add(self._kept(cell, result, recording))

        call = Call(
            spec=spec,
            messages=self._plan.messages(cell),
            parameters=self._plan.parameters(spec),
            max_tokens=self._plan.max_tokens(spec),
            project_id=self._plan.project_id,
            tier=self._plan.tier,
            tenant=f"run-{self._plan.run_id}",
            purpose=Purpose.BENCHMARK,
            run_id=str(self._plan.run_id),
            prompt_hash=self._plan.prompt.content_hash if self._plan.prompt else "",
            longest_wait_s=LONGEST_WAIT_S,
            replay=_replay(recording),
        )
        result = await self._door.dispatch(call, store=store)
        return result.text

    def _kept(self, cell: Cell, result: Result, recording: RecordedOutput | None) -> Answer:
        return Answer(
            cell_id=cell.pk,
            token=self._token,
            request_id=result.request_id,
            output=result.text,
            model_returned=result.model,
            finish_reason=result.finish_reason,
            input_tokens=result.usage.input_tokens,
            output_tokens=result.usage.output_tokens,
            cost_nanos=result.cost_nanos,
            latency_ms=result.latency_ms,
            ttft_ms=result.ttft_ms,
            queue_ms=result.queue_ms,
            human_label=recording.hallucinated if recording else None,
            at=self._clock(),
        )

    async def _score(self, cell: Cell, spec: ScorerSpec, output: str) -> CellScore:
        example = cell.example
        sample = Sample(
            question=example.question,
            answer=output,
            source=example.source or None,
            reference=example.reference or None,
        )
        cost = 0
        if spec.kind is Kind.JUDGE and self._plan.judge is not None:
            judged = await judge_sample(
                self._door,
                self._plan.judge,
                sample,
                project_id=self._plan.project_id,
                tier=self._plan.tier,
                run_id=str(self._plan.run_id),
                longest_wait_s=LONGEST_WAIT_S,
            )
            score, cost = judged.score, judged.cost_nanos
        else:
            score = run_scorer(spec, sample)
        return _row(cell, spec, score, cost)

    async def _refused(self, cell: Cell, error: RefusedError) -> None:
        """Waiting helps against a full queue, not against a request that no quota can ever hold."""
        if error.reason == "out_of_credit":
            await self._pause(str(error))
            await self._give_back(cell, error)
        elif error.reason.startswith("too_large"):
            await self._fail(cell, error.reason, error)
        else:
            await self._give_back(cell, error)

    async def _give_back(self, cell: Cell, error: Exception) -> None:
        """The limiter could not serve the call in time: the cell stays to be done, this shard stops."""
        logger.warning("run %s: cell %s goes back to the queue: %s", self._plan.run_id, cell.pk, error)
        self._stop = True
        await sync_to_async(return_cells)(run_id=self._plan.run_id, token=self._token, cell_ids=[cell.pk])

    async def _fail(self, cell: Cell, label: str, error: Exception) -> None:
        if isinstance(error, OutOfCreditError):
            await self._pause(f"The provider reports no credit left. {error}")
        elif isinstance(error, BadCredentialError):
            self._bad_credentials += 1
            if self._bad_credentials >= BREAKER:
                await self._pause(f"{BREAKER} calls in a row were turned away. {error}")
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
        self._stop = True
        await sync_to_async(pause_run)(run_id=self._plan.run_id, reason=reason[:300])

    async def _write_answers(self, batch: Sequence[Answer]) -> None:
        await sync_to_async(store_answers)(run_id=self._plan.run_id, answers=batch)

    async def _write_outcomes(self, batch: Sequence[Outcome]) -> None:
        await sync_to_async(finish_cells)(run_id=self._plan.run_id, outcomes=batch)
        self._finished += len(batch)


def _replay(recording: RecordedOutput | None) -> Replay | None:
    if recording is None:
        return None
    return Replay(text=recording.text, model=recording.model, latency_ms=recording.latency_ms)


def _row(cell: Cell, spec: ScorerSpec, score: Score, cost_nanos: int) -> CellScore:
    return CellScore(
        cell_id=cell.pk,
        scorer=spec.name,
        scorer_version=spec.version,
        status=score.status,
        value=score.value,
        label=score.label,
        spans=[{"start": s.start, "end": s.end, "kind": s.kind, "text": s.text} for s in score.spans],
        explanation=score.explanation,
        cost_nanos=cost_nanos,
    )

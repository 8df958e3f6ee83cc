"""One cell at a time: the model is asked through the one door, its answer stored, then scored."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from readiness.datasets.models import RecordedOutput
from readiness.evaluations.models import Cell, CellScore
from readiness.evaluations.plans import RunPlan
from readiness.evaluations.services.cells import Answer
from readiness.inference.dispatch import Call, Door, Result
from readiness.judges.services import judge_sample
from readiness.lib.events import Purpose
from readiness.providers.base import Replay
from readiness.scorers.base import Kind, Sample, Score, ScorerSpec
from readiness.scorers.registry import run_scorer

_SHORTEST_WAIT_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What one shard asks with. ``store`` returns when an answer is durable."""

    plan: RunPlan
    door: Door
    clock: Callable[[], datetime]
    until: datetime
    """No call waits in a queue beyond this: the shard hands over then."""
    store: Callable[[Answer], Awaitable[None]]

    async def output(self, cell: Cell, recording: RecordedOutput | None) -> str:
        """The answer to the cell, which is durable before its permit is settled.

        Raises what dispatch raises, and ``PromptError`` when the prompt cannot be rendered.
        """
        spec = self.plan.specs[cell.deployment_id]

        async def store(result: Result) -> None:
            await self.store(self._kept(cell, result, recording))

        call = Call(
            spec=spec,
            messages=self.plan.messages(cell),
            parameters=self.plan.parameters(spec),
            max_tokens=self.plan.max_tokens(spec),
            project_id=self.plan.project_id,
            tier=self.plan.tier,
            tenant=f"run-{self.plan.run_id}",
            purpose=Purpose.BENCHMARK,
            run_id=str(self.plan.run_id),
            prompt_hash=self.plan.prompt.content_hash if self.plan.prompt else "",
            longest_wait_s=self._longest_wait_s(),
            replay=_replay(recording),
        )
        return (await self.door.dispatch(call, store=store)).text

    async def scores(self, cell: Cell, output: str) -> list[CellScore]:
        """What every scorer of the run says of the answer. Raises what dispatch raises for a judge's call."""
        return [await self._score(cell, spec, output) for spec in self.plan.scorers]

    def _kept(self, cell: Cell, result: Result, recording: RecordedOutput | None) -> Answer:
        return Answer(
            cell_id=cell.pk,
            token=cell.lease_token,
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
            still_reserved_nanos=self.plan.worst_judge_nanos(cell),
            at=self.clock(),
        )

    async def _score(self, cell: Cell, spec: ScorerSpec, output: str) -> CellScore:
        example = cell.example
        sample = Sample(
            question=example.question,
            answer=output,
            source=example.source or None,
            reference=example.reference or None,
        )
        if spec.kind is not Kind.JUDGE or self.plan.judge is None:
            return _row(cell, spec, run_scorer(spec, sample), 0)
        judged = await judge_sample(
            self.door,
            self.plan.judge,
            sample,
            project_id=self.plan.project_id,
            tier=self.plan.tier,
            run_id=str(self.plan.run_id),
            longest_wait_s=self._longest_wait_s(),
        )
        return _row(cell, spec, judged.score, judged.cost_nanos)

    def _longest_wait_s(self) -> float:
        return max(_SHORTEST_WAIT_S, (self.until - self.clock()).total_seconds())


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

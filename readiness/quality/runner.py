"""Spot-checks at work: claimed, judged and asked again through the one door, stored, finished."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from asgiref.sync import sync_to_async

from readiness.inference.dispatch import Call, Door, Result
from readiness.judges.rubrics import GROUNDED
from readiness.judges.services import judge_sample
from readiness.lib.events import Purpose
from readiness.limits.tickets import LimiterUnavailableError, RefusedError
from readiness.providers.base import ProviderError
from readiness.quality.models import SpotCheck
from readiness.quality.plans import CheckPlan, Reasking, load_plan
from readiness.quality.services.checks import (
    Outcome,
    claim_checks,
    finish_check,
    give_back,
    store_judgement,
    store_reask,
)
from readiness.scorers import token_f1
from readiness.scorers.base import Sample, Score, Status
from readiness.scorers.registry import SCORERS, run_scorer

logger = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""Checks in flight per worker; a killed one pays again at most for their calls in flight."""

WORK_TIME: Final = timedelta(minutes=4)
"""No new check is begun after this: the queue's next round comes every five minutes."""

LONGEST_WAIT_S: Final = 60.0
TIER: Final = "benchmark"
"""Spot-checks never compete with customers: they share the tier of runs."""

DETAILS = SCORERS["unsupported_details"]


async def run_checks(project_id: int, *, door: Door, clock: Callable[[], datetime]) -> int:
    """Works until nothing affordable waits, our limits refuse, or time is up; returns how many ended."""
    ends_at, finished = clock() + WORK_TIME, 0
    while clock() < ends_at:
        # Read anew for each batch: the policy may change, and new checks may be sampled meanwhile.
        plan = await sync_to_async(load_plan)(project_id, clock())
        if plan is None:
            break
        batch = _Batch(plan, door, clock)
        finished += await batch.work()
        if batch.ended:
            break
    return finished


class _Batch:
    def __init__(self, plan: CheckPlan, door: Door, clock: Callable[[], datetime]) -> None:
        self._plan = plan
        self._door = door
        self._clock = clock
        self._token = uuid4().hex
        self.ended = False
        """Whether another batch makes no sense: nothing could be claimed, or our limits said no."""

    async def work(self) -> int:
        claimed = await sync_to_async(claim_checks)(
            project=self._plan.project,
            limit=AT_ONCE,
            token=self._token,
            bound=self._plan.worst_nanos,
            now=self._clock(),
        )
        self.ended = not claimed
        return sum(await asyncio.gather(*map(self._check, claimed)))

    async def _check(self, check: SpotCheck) -> bool:
        """Whether the check was finished here; its parts run at once and fail each for itself."""
        reasking = self._plan.reasking(check)
        parts: list[object] = await asyncio.gather(
            self._judge(check), *self._reasks(check, reasking), return_exceptions=True
        )
        failures = [part for part in parts if isinstance(part, BaseException)]
        for failure in failures:
            if not isinstance(failure, ProviderError | RefusedError | LimiterUnavailableError):
                raise failure
        if any(not isinstance(failure, ProviderError) for failure in failures):
            logger.warning("spot-check %s goes back to wait: %s", check.pk, failures[0])
            self.ended = True
            await sync_to_async(give_back)(check=check, token=self._token)
            return False
        outcome = self._outcome(check, reasking, [str(failure) for failure in failures])
        return await sync_to_async(finish_check)(
            check=check, token=self._token, outcome=outcome, now=self._clock()
        )

    def _outcome(self, check: SpotCheck, reasking: Reasking | str, errors: Sequence[str]) -> Outcome:
        details = run_scorer(DETAILS, _sample(check))
        notes = [check.explanation or self._plan.judge_note, reasking if isinstance(reasking, str) else ""]
        return Outcome(
            unsupported_details=int(details.value) if details.value is not None else None,
            findings=[*_findings(details, DETAILS.name), *check.findings],
            explanation=" ".join(note for note in notes if note),
            error=" ".join(dict.fromkeys(errors)),
        )

    async def _judge(self, check: SpotCheck) -> None:
        if self._plan.judge is None or check.judge_label:
            return
        judged = await judge_sample(
            self._door,
            self._plan.judge,
            _sample(check),
            project_id=self._plan.project.pk,
            tier=TIER,
            longest_wait_s=LONGEST_WAIT_S,
        )
        score = judged.score
        await sync_to_async(store_judgement)(
            check=check,
            supported=score.value == 1 if score.status is Status.OK else None,
            judge_label=f"{self._plan.judge.model} · {GROUNDED.label}"[:120],
            explanation=score.explanation,
            findings=_findings(score, "judge"),
            cost_nanos=judged.cost_nanos,
            reserved_nanos=self._plan.judge_worst_nanos(check),
        )

    def _reasks(self, check: SpotCheck, reasking: Reasking | str) -> "list[asyncio.Future[None]]":
        if isinstance(reasking, str):
            return []
        done = {reask.number for reask in check.reasks.all()}
        numbers = [number for number in range(1, self._plan.reask_count + 1) if number not in done]
        return [asyncio.ensure_future(self._reask(check, reasking, number)) for number in numbers]

    async def _reask(self, check: SpotCheck, reasking: Reasking, number: int) -> None:
        async def store(result: Result) -> None:
            agreed = token_f1.score(
                Sample(question=check.answer.question, answer=result.text, reference=check.answer.output)
            )
            await sync_to_async(store_reask)(
                check=check,
                number=number,
                request_id=result.request_id,
                output=result.text,
                agreement=agreed.value or 0.0,
                cost_nanos=result.cost_nanos,
                reserved_nanos=reasking.worst_nanos,
                now=self._clock(),
            )

        call = Call(
            spec=reasking.spec,
            messages=reasking.messages,
            parameters=reasking.parameters,
            max_tokens=reasking.max_tokens,
            project_id=self._plan.project.pk,
            tier=TIER,
            tenant=f"project-{self._plan.project.pk}",
            purpose=Purpose.SPOT_CHECK,
            prompt_hash=check.prompt_hash,
            longest_wait_s=LONGEST_WAIT_S,
        )
        await self._door.dispatch(call, store=store)


def _sample(check: SpotCheck) -> Sample:
    answer = check.answer
    return Sample(question=answer.question, answer=answer.output, source=answer.source or None)


def _findings(score: Score, scorer: str) -> list[dict[str, object]]:
    return [
        {"start": s.start, "end": s.end, "kind": s.kind, "text": s.text, "scorer": scorer}
        for s in score.spans
    ]

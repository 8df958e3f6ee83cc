"""Asking a judge through the one door."""

from dataclasses import dataclass

from readiness.inference.dispatch import Call, Door
from readiness.judges.rubrics import GROUNDED, Rubric
from readiness.lib.events import Purpose
from readiness.providers.base import DeploymentSpec, Message
from readiness.scorers import judge
from readiness.scorers.base import Sample, Score

MAX_VERDICT_TOKENS = 256
"""Longest verdict that a judge may write; a reply that is cut off abstains."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A judge's score and what it cost in nano-dollars."""

    score: Score
    cost_nanos: int


async def judge_sample(
    door: Door,
    spec: DeploymentSpec,
    sample: Sample,
    *,
    project_id: int,
    tier: str,
    run_id: str = "",
    longest_wait_s: float | None = None,
    rubric: Rubric = GROUNDED,
) -> Judged:
    """The judge's score of one sample; costs nothing where the sample has no source to judge by.

    Raises what dispatch raises: a call that failed is no verdict.
    """
    spent = 0

    async def complete(system: str, user: str) -> str:
        nonlocal spent
        call = Call(
            spec=spec,
            messages=(Message("system", system), Message("user", user)),
            parameters={**spec.parameters, "temperature": 0},
            max_tokens=MAX_VERDICT_TOKENS,
            project_id=project_id,
            tier=tier,
            tenant=run_id or f"project-{project_id}",
            purpose=Purpose.JUDGE,
            run_id=run_id,
            prompt_hash=rubric.label,
            longest_wait_s=longest_wait_s,
        )
        result = await door.dispatch(call)
        spent = result.cost_nanos
        return result.text

    score = await judge.score(sample, complete, system=rubric.system, template=rubric.template)
    return Judged(score, spent)

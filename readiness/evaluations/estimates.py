"""What a run will cost and how long it will take, said before it starts. All figures are estimates."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from readiness.judges.rubrics import GROUNDED
from readiness.judges.services import MAX_VERDICT_TOKENS
from readiness.lib.tokens import CHARACTERS_PER_TOKEN
from readiness.providers.base import DeploymentSpec, Usage

WORST_CASE_FACTOR = 2
"""Text that is not plain English can take twice the tokens that its characters suggest."""


@dataclass(frozen=True, slots=True)
class CallSize:
    """Size of one call before it is made: characters in, tokens at most out."""

    characters: int
    max_tokens: int

    @property
    def input_tokens(self) -> int:
        return math.ceil(self.characters / CHARACTERS_PER_TOKEN)


def expected_nanos(spec: DeploymentSpec, size: CallSize) -> int:
    """Expected cost: input by its characters, output at half of what is allowed."""
    return spec.prices.cost_nanos(Usage(input_tokens=size.input_tokens, output_tokens=size.max_tokens // 2))


def worst_nanos(spec: DeploymentSpec, size: CallSize) -> int:
    """What a hard budget reserves for the call: twice the expected input and the longest allowed output."""
    usage = Usage(input_tokens=size.input_tokens * WORST_CASE_FACTOR, output_tokens=size.max_tokens)
    return spec.prices.cost_nanos(usage)


def judge_size(answer: CallSize) -> CallSize:
    """Size of the judge's call about an answer: it reads what the model read, the answer, and the rubric."""
    rubric = len(GROUNDED.system) + len(GROUNDED.template)
    return CallSize(answer.characters + answer.max_tokens * CHARACTERS_PER_TOKEN + rubric, MAX_VERDICT_TOKENS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEstimate:
    """Estimated size of a run. ``seconds`` is the time that the quotas need; None where no quota is set."""

    cells: int
    expected_nanos: int
    worst_nanos: int
    seconds: float | None
    unpriced: tuple[str, ...]
    """Deployments whose price nobody knows; their part of the cost is missing."""


def estimate_run(
    *, sizes: Sequence[CallSize], arms: Sequence[DeploymentSpec], judge: DeploymentSpec | None, trials: int
) -> RunEstimate:
    """Estimates a run in which every arm answers every call size ``trials`` times."""
    judged = [judge_size(size) for size in sizes] if judge else []
    calls: list[tuple[DeploymentSpec, Sequence[CallSize], int]] = [(arm, sizes, trials) for arm in arms]
    if judge:
        calls.append((judge, judged, trials * len(arms)))
    return RunEstimate(
        cells=len(sizes) * len(arms) * trials,
        expected_nanos=sum(expected_nanos(spec, s) * times for spec, many, times in calls for s in many),
        worst_nanos=sum(worst_nanos(spec, s) * times for spec, many, times in calls for s in many),
        seconds=_longest(_seconds(spec, many, times) for spec, many, times in calls),
        unpriced=tuple(spec.label for spec, _, _ in calls if not spec.prices.known),
    )


def _seconds(spec: DeploymentSpec, sizes: Sequence[CallSize], times: int) -> float | None:
    """Time until the last call is admitted from full buckets: max of (need − capacity) ÷ rate."""
    # The charge of ``lib.tokens.openai_token_charge``, from sizes instead of texts.
    tokens = sum(max(size.max_tokens, size.input_tokens) for size in sizes) * times
    taken = sum(size.input_tokens for size in sizes) * times
    given = sum(size.max_tokens for size in sizes) * times / 2  # as the expected cost has it
    quotas = [quota for quota in (spec.quota, spec.account_quota) if quota]
    needs = [
        (limit, need)
        for quota in quotas
        for limit, need in (
            (quota.rpm, len(sizes) * times),
            (quota.tpm, tokens),
            (quota.itpm, taken),
            (quota.otpm, given),
        )
    ]
    return _longest(max(0.0, need - limit) / (limit / 60) if limit else None for limit, need in needs)


def _longest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)

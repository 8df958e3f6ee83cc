"""Everything that the checks of one project need, read once and detached from the database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from readiness.evaluations.estimates import CallSize, judge_size, worst_nanos
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.prompts.rendering import PromptError, render
from readiness.providers.base import DeploymentSpec, Message, ProviderError
from readiness.providers.models import Deployment, ProviderKind
from readiness.providers.queries import deployment_spec
from readiness.quality.models import CheckState, SpotCheck, SpotCheckPolicy

REASK_TEMPERATURE: Final = 0.7
"""Sampling temperature of re-asking where production uses none: at 0 a model would only repeat itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasking:
    """How one question is asked again: the production call with some temperature."""

    spec: DeploymentSpec
    messages: tuple[Message, ...]
    parameters: Mapping[str, object]
    max_tokens: int

    @property
    def worst_nanos(self) -> int:
        """The most that one call can cost."""
        return worst_nanos(self.spec, self.size)

    @property
    def size(self) -> CallSize:
        return CallSize(sum(len(message.content) for message in self.messages), self.max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """The policy and what it needs. ``judge_note`` says why there is no judge, empty where there is one."""

    project: Project
    judge: DeploymentSpec | None
    judge_note: str
    reask_count: int
    specs: Mapping[int, DeploymentSpec]
    prompts: Mapping[int, PromptVersion]

    def reasking(self, check: SpotCheck) -> Reasking | str:
        """How to ask again; in plain words why not, where that is impossible."""
        answer = check.answer
        spec = self.specs.get(answer.deployment_id or 0)
        prompt = self.prompts.get(answer.prompt_version_id or 0)
        if not self.reask_count:
            return "Re-asking is switched off in the policy."
        if spec is None:
            return "It cannot be asked again: its deployment is unknown, inactive or has no readable key."
        if spec.kind == ProviderKind.RECORDED:
            return "It cannot be asked again: the answer was recorded elsewhere."
        if not spec.prices.known:
            return "It was not asked again: nobody knows the model's price, so the budget could not hold."
        if prompt is None:
            return "It cannot be asked again: the prompt version that it was given with is unknown."
        try:
            messages = render(prompt, question=answer.question, source=answer.source)
        except PromptError as error:
            return f"It cannot be asked again: {error}"
        return _reasking(spec, prompt, messages)

    def judge_worst_nanos(self, check: SpotCheck) -> int:
        """The most that the judge's verdict can cost."""
        answer = check.answer
        if self.judge is None:
            return 0
        characters = len(answer.question) + len(answer.source) + len(answer.output)
        return worst_nanos(self.judge, judge_size(CallSize(characters, 0)))

    def worst_nanos(self, check: SpotCheck) -> int:
        """The most that is still ahead of a check: the verdict and the re-asks that it does not have yet."""
        reasking = self.reasking(check)
        missing = self.reask_count - len(check.reasks.all())
        asked = 0 if isinstance(reasking, str) else reasking.worst_nanos * max(0, missing)
        return asked + (0 if check.judge_label else self.judge_worst_nanos(check))


def _reasking(spec: DeploymentSpec, prompt: PromptVersion, messages: tuple[Message, ...]) -> Reasking:
    parameters = {**spec.parameters, **prompt.parameters}
    own_limit = parameters.pop("max_tokens", None)
    parameters["temperature"] = parameters.get("temperature") or REASK_TEMPERATURE
    return Reasking(
        spec=spec,
        messages=messages,
        parameters=parameters,
        max_tokens=own_limit if isinstance(own_limit, int) else spec.max_output_tokens,
    )


def load_plan(project_id: int, now: datetime) -> CheckPlan | None:
    """The plan for what waits at the prices of the day; None where spot-checks are off."""
    policies = SpotCheckPolicy.objects.select_related("project")
    policy = policies.filter(project_id=project_id, enabled=True).first()
    if policy is None:
        return None
    waiting = SpotCheck.objects.filter(
        project_id=project_id, state__in=[CheckState.PENDING, CheckState.LEASED]
    )
    deployments = set(waiting.values_list("answer__deployment_id", flat=True)) - {None}
    versions = set(waiting.values_list("answer__prompt_version_id", flat=True)) - {None}
    judge, note = _judge(policy.judge_id, now)
    return CheckPlan(
        project=policy.project,
        judge=judge,
        judge_note=note,
        reask_count=policy.reask_count,
        specs=_specs(deployments, now),
        prompts=PromptVersion.objects.filter(prompt__project_id=project_id).in_bulk(list(versions)),
    )


def _judge(judge_id: int | None, now: datetime) -> tuple[DeploymentSpec | None, str]:
    if judge_id is None:
        return None, "No judge is chosen in the policy, so nothing was said about its support."
    spec = _specs([judge_id], now).get(judge_id)
    if spec is None:
        return None, "The judge is inactive or its key cannot be read, so nothing was said about its support."
    if not spec.prices.known:
        return None, "Nobody knows the judge's price, so the budget could not hold: it was not asked."
    return spec, ""


def _specs(deployment_ids: Iterable[int | None], now: datetime) -> dict[int, DeploymentSpec]:
    """Specs of the active deployments whose keys can be read; a lost key stops no other deployment."""
    active = Deployment.objects.filter(pk__in=list(deployment_ids), active=True)
    specs = {}
    for pk in active.values_list("pk", flat=True):
        try:
            specs[pk] = deployment_spec(pk, now.date())
        except ProviderError:
            continue
    return specs

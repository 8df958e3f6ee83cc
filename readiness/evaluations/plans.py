"""Everything a shard needs to know of its run, read once and detached from the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from readiness.evaluations.estimates import CallSize, judge_size, worst_nanos
from readiness.evaluations.models import Cell, Run
from readiness.prompts.models import PromptVersion
from readiness.prompts.rendering import PromptError, render
from readiness.providers.base import DeploymentSpec, Message
from readiness.providers.queries import specs_for
from readiness.scorers.base import ScorerSpec
from readiness.scorers.registry import SCORERS


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """A run's parts. ``prompt`` is None for recorded outputs, ``judge`` where no judge scores."""

    run_id: UUID
    project_id: int
    tier: str
    specs: Mapping[int, DeploymentSpec]
    prompt: PromptVersion | None
    scorers: tuple[ScorerSpec, ...]
    judge: DeploymentSpec | None

    def max_tokens(self, spec: DeploymentSpec) -> int:
        """Longest answer of one call: the prompt version's own limit, else the deployment's."""
        own = self.prompt.parameters.get("max_tokens") if self.prompt else None
        return own if isinstance(own, int) else spec.max_output_tokens

    def parameters(self, spec: DeploymentSpec) -> dict[str, object]:
        """Wire parameters of one call; the prompt version's win over the deployment's."""
        own = self.prompt.parameters if self.prompt else {}
        merged = {**spec.parameters, **own}
        merged.pop("max_tokens", None)
        return merged

    def messages(self, cell: Cell) -> tuple[Message, ...]:
        """What the model is sent for a cell; a recorded cell shows the bare question."""
        example = cell.example
        if self.prompt is None:
            return (Message("user", example.question),)
        return render(self.prompt, question=example.question, source=example.source)

    def worst_nanos(self, cell: Cell) -> int:
        """The most that a cell can cost, its judge included; what a budget reserves."""
        judged = self.worst_judge_nanos(cell)
        return judged if cell.answered_at else judged + worst_nanos(*self._call(cell))

    def worst_judge_nanos(self, cell: Cell) -> int:
        """The most that judging a cell's answer can cost."""
        return worst_nanos(self.judge, judge_size(self._call(cell)[1])) if self.judge else 0

    def _call(self, cell: Cell) -> tuple[DeploymentSpec, CallSize]:
        """A cell's deployment and the size of its call; a call that cannot be rendered is never made."""
        spec = self.specs[cell.deployment_id]
        try:
            messages = self.messages(cell)
        except PromptError:
            return spec, CallSize(0, 0)
        return spec, CallSize(sum(len(message.content) for message in messages), self.max_tokens(spec))


class PlanError(Exception):
    """The run can never go on as it is; the message says why in plain words."""


def load_plan(run_id: UUID, on: date) -> RunPlan:
    """Reads the run; prices are those of the day ``on``.

    Raises ``PlanError``, and ``BadCredentialError`` when a key cannot be read, which an admin can repair.
    """
    run = Run.objects.select_related("prompt_version").get(pk=run_id)
    if unknown := [name for name in run.scorers if name not in SCORERS]:
        raise PlanError(f"This version has no scorer named {', '.join(unknown)}.")
    ids = list(run.deployments.values_list("id", flat=True))
    if run.cells.exclude(deployment__in=ids).exists() or not ids:
        raise PlanError("A model of this run was deleted.")
    specs = specs_for([*ids, run.judge_id] if run.judge_id else ids, on)
    return RunPlan(
        run_id=run.id,
        project_id=run.project_id,
        tier=run.tier,
        specs={deployment_id: specs[deployment_id] for deployment_id in ids},
        prompt=run.prompt_version,
        scorers=tuple(SCORERS[name] for name in run.scorers),
        judge=specs[run.judge_id] if run.judge_id else None,
    )

"""Planning and starting a benchmark: what it will cost is said before it costs anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from uuid import UUID

from readiness.accounts.models import User
from readiness.datasets.models import DatasetVersion
from readiness.evaluations.estimates import CallSize, RunEstimate, estimate_run
from readiness.evaluations.models import Run
from readiness.evaluations.services.runs import RunRefusedError, start_run
from readiness.lib.statistics import wilson
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.prompts.rendering import PromptError, render
from readiness.providers.base import BadCredentialError
from readiness.providers.models import Deployment, ProviderKind
from readiness.providers.queries import specs_for
from readiness.scorers.base import Kind, ScorerSpec
from readiness.scorers.registry import SCORERS


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkPlan:
    """What a person asked for, cleaned."""

    project: Project
    name: str
    dataset_version: DatasetVersion
    deployments: Sequence[Deployment]
    prompt_version: PromptVersion | None
    scorers: Sequence[str]
    judge: Deployment | None
    trials: int
    budget_nanos: int | None

    @property
    def recorded(self) -> bool:
        """True when every answer was recorded elsewhere: only a judge can cost anything then."""
        return all(d.account.kind == ProviderKind.RECORDED for d in self.deployments)

    @property
    def fingerprint(self) -> str:
        """Same for the same plan: what was estimated is what is started."""
        parts = (
            self.dataset_version.pk,
            sorted(deployment.pk for deployment in self.deployments),
            self.prompt_version and self.prompt_version.pk,
            sorted(self.scorers),
            self.judge and self.judge.pk,
            self.trials,
            self.budget_nanos,
        )
        return sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def judged(self) -> bool:
        return any(SCORERS[name].kind is Kind.JUDGE for name in self.scorers)


def estimate(plan: BenchmarkPlan, on: date) -> RunEstimate:
    """Estimated cells, cost and duration of a plan at the prices of the day ``on``.

    Raises ``RunRefusedError`` when the prompt cannot be rendered or a provider's key cannot be read.
    """
    judge = plan.judge if plan.judged else None
    ids = [deployment.pk for deployment in plan.deployments]
    try:
        specs = specs_for([*ids, judge.pk] if judge else ids, on)
        sizes = _sizes(plan)
    except (PromptError, BadCredentialError) as error:
        raise RunRefusedError(str(error)) from error
    return estimate_run(
        sizes=sizes,
        arms=[specs[pk] for pk in ids],
        judge=specs[judge.pk] if judge else None,
        trials=plan.trials,
    )


def _sizes(plan: BenchmarkPlan) -> list[CallSize]:
    """Size of the call for each example, rendered as it will be sent."""
    prompt = plan.prompt_version
    examples = plan.dataset_version.examples.values_list("question", "source")
    if prompt is None:
        return [CallSize(len(question) + len(source), 0) for question, source in examples]
    longest = prompt.parameters.get("max_tokens") or max(d.max_output_tokens for d in plan.deployments)
    return [
        CallSize(sum(len(m.content) for m in render(prompt, question=q, source=s)), longest)
        for q, s in examples
    ]


def start(plan: BenchmarkPlan, *, by: User | None, on: date, run_id: UUID | None = None) -> Run:
    """Starts the planned run. Raises ``RunRefusedError`` in plain words."""
    unpriced = estimate(plan, on).unpriced
    if unpriced and plan.budget_nanos is not None:
        raise RunRefusedError(
            f"Nobody knows the price of {', '.join(unpriced)}, so a budget cannot hold. "
            "Enter its price with the deployment, or run without a budget."
        )
    return start_run(
        project=plan.project,
        name=plan.name,
        dataset_version=plan.dataset_version,
        deployments=plan.deployments,
        prompt_version=plan.prompt_version,
        scorers=plan.scorers,
        judge=plan.judge if plan.judged else None,
        trials=plan.trials,
        budget_nanos=plan.budget_nanos,
        by=by,
        run_id=run_id,
    )


@dataclass(frozen=True, slots=True)
class ScorerChoice:
    """A scorer as the form offers it; ``missing`` says why it cannot be used on the data, if so."""

    spec: ScorerSpec
    missing: str


def scorer_choices(version: DatasetVersion | None) -> list[ScorerChoice]:
    """Every scorer, with what the dataset version lacks for it."""
    references = version is None or version.examples.exclude(reference="").exists()
    sources = version is None or version.examples.exclude(source="").exists()
    return [ScorerChoice(spec, _missing(spec, references, sources)) for spec in SCORERS.values()]


def _missing(spec: ScorerSpec, references: bool, sources: bool) -> str:
    if spec.needs_reference and not references:
        return "The examples have no reference answers."
    if spec.needs_source and not sources:
        return "The examples have no sources."
    return ""


def applicable_scorers(version: DatasetVersion, *, with_judge: bool) -> list[str]:
    """Names of the scorers that can score the version."""
    return [
        choice.spec.name
        for choice in scorer_choices(version)
        if not choice.missing and (with_judge or choice.spec.kind is Kind.OFFLINE)
    ]


def precision_in_points(n: int) -> float:
    """Half-width of the 95 % interval at a rate of one half, in percentage points: the widest it can be."""
    interval = wilson(n // 2, n)
    return (interval.high - interval.low) / 2 * 100

"""What the pages show beside verdicts: rows ready for templates, no request."""

from dataclasses import dataclass

from readiness.checklist.catalogue import Criterion
from readiness.checklist.catalogue.schema import FINGERPRINT_LABELS
from readiness.checklist.evidence import Part
from readiness.checklist.intervals import Drawing, draw
from readiness.checklist.models import Evidence, Target
from readiness.checklist.quantities import format_quantity
from readiness.checklist.queries import CriterionView
from readiness.checklist.rules import PartJudgement
from readiness.checklist.score import Verdict
from readiness.checklist.statuses import Display, Status
from readiness.checklist.wording import measured_words, rule_words
from readiness.datasets.queries import datasets_of
from readiness.projects.models import Project
from readiness.providers.queries import deployments_of

_READY = Display("Ready", "pass", "tick", "", "Every blocker in force is open.")
_SO_FAR = Display("Open so far", "unmeasured", "dot", "", "Nothing that is measured stands in the way.")
_NOT_READY = Display("Not ready", "fail", "cross", "", "A blocker failed.")
_NOT_DECIDED = Display("Not decided", "undecided", "scales", "", "None failed, but a run would decide.")


def verdict_display(verdict: Verdict) -> Display:
    """The gate as word, shape and colour; green only when every blocker was measured."""
    if any(judgement.status is Status.FAIL for judgement in verdict.blocking):
        return _NOT_READY
    if not verdict.is_open:
        return _NOT_DECIDED
    return _SO_FAR if verdict.unmeasured else _READY


@dataclass(frozen=True, kw_only=True)
class FirstStep:
    """One thing that a new project needs before anything can be measured."""

    title: str
    text: str
    url_name: str
    label: str
    done: bool


def first_steps(project: Project, target: Target, *, has_run: bool) -> list[FirstStep]:
    """The way from an empty project to its first evidence; empty once it was walked."""
    steps = [
        FirstStep(
            title="Connect an AI service",
            text="An address and a key of any OpenAI-compatible service, with its quota.",
            url_name="providers:list",
            label="Add provider",
            done=deployments_of(project).exists(),
        ),
        FirstStep(
            title="Import your own examples",
            text="Questions with their sources, from JSONL or CSV. General rankings do not transfer.",
            url_name="datasets:list",
            label="Import dataset",
            done=datasets_of(project).exists(),
        ),
        FirstStep(
            title="Say what you intend to ship",
            text="A model and a prompt version. All evidence is about exactly these.",
            url_name="checklist:target",
            label="Choose target",
            done=target.deployment_id is not None,
        ),
        FirstStep(
            title="Run a benchmark",
            text="The model and a rival on your examples, estimated before it starts.",
            url_name="benchmarks:new",
            label="Run benchmark",
            done=has_run,
        ),
    ]
    return [] if all(step.done for step in steps) else steps


@dataclass(frozen=True)
class PartRow:
    """One part of a criterion's rule, with what was measured."""

    judgement: PartJudgement

    @property
    def label(self) -> str:
        return self.judgement.rule.label

    @property
    def rule(self) -> str:
        return rule_words(self.judgement.rule, self.judgement.threshold)

    @property
    def value(self) -> str:
        part = self.judgement.part
        if part is None or part.value is None:
            return "–"
        if self.judgement.rule.type == "fact":
            return "yes" if part.value else "no"
        return format_quantity(part.value, self.judgement.rule.unit, beside=self.judgement.threshold)

    @property
    def n(self) -> int | None:
        return None if self.judgement.part is None else self.judgement.part.n

    @property
    def drawing(self) -> Drawing | None:
        return draw(self.judgement, self.judgement.status)

    @property
    def method(self) -> str:
        part = self.judgement.part
        return part.method.label if part is not None and part.method is not None else ""


@dataclass(frozen=True)
class HistoryRow:
    """One measurement in the history, with its numbers in words."""

    evidence: Evidence
    criterion: Criterion

    @property
    def found(self) -> list[str]:
        """``Answers supported by their source: 95.2 % (n = 210)``, one for each measured part."""
        rules = {rule.name: rule for rule in self.criterion.parts}
        parts = [Part.from_row(row) for row in self.evidence.parts if row["name"] in rules]
        return [measured_words(rules[part.name], part) for part in parts if part.value is not None]


@dataclass(frozen=True)
class CriterionPage:
    """What a criterion's page says of it beside its status."""

    view: CriterionView

    @property
    def parts(self) -> list[PartRow]:
        """The rule part by part; before any measurement, only what has to hold."""
        judged = self.view.judgement.parts
        if judged:
            return [PartRow(part) for part in judged]
        status = self.view.judgement.status
        return [
            PartRow(PartJudgement(rule, _before(rule.producer, status), "", rule.threshold))
            for rule in self.view.criterion.parts
        ]

    @property
    def depends_on(self) -> list[str]:
        return [FINGERPRINT_LABELS[key] for key in self.view.criterion.fingerprint]

    @property
    def moved(self) -> list[str]:
        return [FINGERPRINT_LABELS[key] for key in self.view.judgement.moved]


def _before(producer: str | None, status: Status) -> Status:
    """Status of a part of which there is no evidence yet."""
    return Status.UNMEASURED if producer is None else status

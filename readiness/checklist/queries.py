"""Reads: what would be shipped, the evidence that counts, and every criterion judged by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from django.db.models import Max, QuerySet

from readiness.checklist.catalogue import Catalogue, Criterion, current
from readiness.checklist.catalogue.parts import Requirement
from readiness.checklist.catalogue.schema import CATEGORIES, FingerprintKey
from readiness.checklist.evidence import EvidenceView, Part
from readiness.checklist.fingerprints import fingerprint_of
from readiness.checklist.intervals import Drawing, draw
from readiness.checklist.models import Attestation, Comment, Evidence, Target
from readiness.checklist.rules import Judgement, Situation, judge
from readiness.checklist.score import StepSummary, Summary, summarise
from readiness.lib.money import usd
from readiness.projects.models import Project


@dataclass(frozen=True, kw_only=True)
class CriterionView:
    """One criterion of one project, with what its verdict rests on."""

    judgement: Judgement
    in_force: bool
    """Whether it holds the gate shut while it is not met."""
    evidence: Evidence | None
    """The row that counts."""
    attestation: Attestation | None
    """A person's standing word, where it counts."""

    @property
    def criterion(self) -> Criterion:
        return self.judgement.criterion

    @property
    def blocks(self) -> bool:
        """Whether it is one of the reasons why the gate is shut now."""
        return self.in_force and not self.judgement.status.lets_through

    @property
    def attestable(self) -> bool:
        return may_be_attested(self.criterion)

    @cached_property
    def drawing(self) -> Drawing | None:
        shown = self.judgement.deciding
        return draw(shown, self.judgement.status) if shown else None

    @property
    def n(self) -> int | None:
        """Samples behind the value that is shown."""
        shown = self.judgement.deciding
        return shown.part.n if shown and shown.part else None


@dataclass(frozen=True, kw_only=True)
class StepView:
    """One step with its criteria, those that this version measures first."""

    summary: StepSummary
    views: tuple[CriterionView, ...]

    @property
    def measured(self) -> list[CriterionView]:
        """What this version measures, or a person vouches for."""
        return [view for view in self.views if not _is_unmeasured(view)]

    @property
    def unmeasured(self) -> list[CriterionView]:
        return [view for view in self.views if _is_unmeasured(view)]

    @property
    def blocking(self) -> int:
        return sum(view.blocks for view in self.views)


@dataclass(frozen=True, kw_only=True)
class Checklist:
    """A project's whole checklist at one moment."""

    project: Project
    target: Target
    summary: Summary
    steps: tuple[StepView, ...]
    announced: int
    """Blockers that are not in force yet."""
    next_announced: date | None
    """When the first of them will be."""

    @cached_property
    def views(self) -> dict[str, CriterionView]:
        return {view.criterion.id: view for step in self.steps for view in step.views}

    @property
    def simulated(self) -> bool:
        """Whether any evidence that counts comes from the simulated AI service."""
        return any(view.evidence is not None and view.evidence.simulated for view in self.views.values())


def may_be_attested(criterion: Criterion) -> bool:
    """Whether a word counts: where only a person can know, and as a stop-gap where nothing measures."""
    return criterion.kind == "attested" or not criterion.measured


def verdicts(project: Project, now: datetime) -> Checklist:
    """Every criterion judged on the newest evidence. The number of queries does not depend on the rows."""
    catalogue = current()
    target = target_of(project)
    situation = _situation(project, fingerprint_of(target, now.date()), now)
    evidence = {row.criterion: row for row in newest_evidence(project)}
    words = {row.criterion: row for row in _newest_attestations(project)}
    views = {
        criterion.id: _view(criterion, situation, evidence.get(criterion.id), words.get(criterion.id))
        for criterion in catalogue.criteria
    }
    return _checklist(project, target, catalogue, views, now.date())


def _checklist(
    project: Project, target: Target, catalogue: Catalogue, views: Mapping[str, CriterionView], today: date
) -> Checklist:
    summary = summarise(catalogue, {name: view.judgement for name, view in views.items()}, today)
    starts = [c.enable_on for c in catalogue.criteria if c.enable_on is not None and c.enable_on > today]
    return Checklist(
        project=project,
        target=target,
        summary=summary,
        steps=tuple(
            StepView(summary=step, views=tuple(views[criterion.id] for criterion in step.step.criteria))
            for step in summary.steps
        ),
        announced=len(starts),
        next_announced=min(starts, default=None),
    )


def _view(
    criterion: Criterion, situation: Situation, evidence: Evidence | None, word: Attestation | None
) -> CriterionView:
    word = word if word is not None and _counts(word, criterion, evidence, situation.now) else None
    judgement = judge(criterion, _what_counts(evidence, word), situation)
    return CriterionView(
        judgement=judgement,
        in_force=criterion.blocks_on(situation.now.date()),
        evidence=evidence,
        attestation=word,
    )


def _counts(word: Attestation, criterion: Criterion, evidence: Evidence | None, now: datetime) -> bool:
    """A stop-gap counts until it ends; where only a person can know, its end shows as out of date.

    Newer evidence needs no word, and a word about what is measured only says that it still holds.
    """
    if not may_be_attested(criterion) or (criterion.kind != "attested" and word.expires_at <= now):
        return False
    return evidence is None or (word.at > evidence.measured_at and word.expires_at > now)


def _what_counts(evidence: Evidence | None, word: Attestation | None) -> EvidenceView | None:
    """A person's word renews what was measured; it never replaces it."""
    if evidence is None and word is None:
        return None
    parts = tuple(Part.from_row(row) for row in evidence.parts) if evidence else ()
    if word is None:
        assert evidence is not None
        return EvidenceView(
            parts=parts,
            measured_at=evidence.measured_at,
            fingerprint=evidence.fingerprint,
            abstained=evidence.abstained,
            explanation=evidence.explanation,
        )
    return EvidenceView(
        parts=parts,
        measured_at=word.at,
        fingerprint=word.fingerprint,
        attested=True,
        expires_at=word.expires_at,
        explanation=f"{word.by_label} vouches for it until {word.expires_at:%-d %B %Y}: {word.note}",
    )


def _situation(project: Project, fingerprint: Mapping[FingerprintKey, str], now: datetime) -> Situation:
    category = next(name for name in CATEGORIES if name == project.category)
    limits: dict[Requirement, float | None] = {
        "latency_p95_ms": project.latency_p95_ms,
        "ttft_p95_ms": project.ttft_p95_ms,
        "cost_per_request": (
            None if project.cost_per_request_nanos is None else float(usd(project.cost_per_request_nanos))
        ),
    }
    return Situation(
        now=now,
        category=category,
        fingerprint={str(key): value for key, value in fingerprint.items()},
        requirements={name: limit for name, limit in limits.items() if limit is not None},
    )


def _is_unmeasured(view: CriterionView) -> bool:
    return not view.criterion.measured and view.attestation is None


def target_of(project: Project) -> Target:
    """What the project intends to ship; an unsaved, empty target while nobody has said so."""
    found = (
        Target.objects.filter(project=project)
        .select_related("deployment__account", "prompt_version__prompt", "dataset_version__dataset")
        .prefetch_related("deployment__price_overrides")
        .first()
    )
    return found or Target(project=project)


def newest_evidence(project: Project) -> QuerySet[Evidence]:
    """The row that counts of every criterion: the one that was stored last."""
    newest = Evidence.objects.filter(project=project).order_by().values("criterion").annotate(last=Max("id"))
    return Evidence.objects.filter(pk__in=newest.values("last"))


def _newest_attestations(project: Project) -> QuerySet[Attestation]:
    standing = Attestation.objects.filter(project=project, withdrawn_at=None).order_by()
    newest = standing.values("criterion").annotate(last=Max("id"))
    return Attestation.objects.filter(pk__in=newest.values("last"))


def evidence_history(project: Project, criterion: Criterion) -> QuerySet[Evidence]:
    """Everything that was measured for the criterion, newest first."""
    return Evidence.objects.filter(project=project, criterion=criterion.id).order_by("-id")


def attestations_of(project: Project, criterion: Criterion) -> QuerySet[Attestation]:
    """Every word that was given, withdrawn and ended ones included, newest first."""
    return Attestation.objects.filter(project=project, criterion=criterion.id)


def comments_of(project: Project, criterion: Criterion) -> QuerySet[Comment]:
    """The criterion's discussion, oldest first."""
    return Comment.objects.filter(project=project, criterion=criterion.id)

"""Judges evidence: what was measured and the catalogue's rule in, one status and the words for it out.

A rate passes on its bound, not on its point value: with the value on the wrong side of the threshold it
fails, with the value right and the bound not yet it is undecided. Changing a threshold judges again; it never
measures again.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from readiness.checklist import wording
from readiness.checklist.catalogue.parts import (
    OwnLimit,
    PartRule,
    QuantileRule,
    RateRule,
    Requirement,
    SampledRule,
    SampleRule,
)
from readiness.checklist.catalogue.schema import Category, Criterion, FingerprintKey
from readiness.checklist.evidence import EvidenceView, Part, moved_keys
from readiness.checklist.statuses import Status, worst
from readiness.lib.statistics import Direction, Method, samples_until_decided, zero_failure_n

PLANNED_POWER = 0.8
_PLANNED_METHODS = {Method.CLOPPER_PEARSON, Method.CONFIDENCE_SEQUENCE}


@dataclass(frozen=True)
class Situation:
    """What evidence is judged against, besides the rule: the moment, and what the project would ship."""

    now: datetime
    category: Category
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    requirements: Mapping[Requirement, float] = field(default_factory=dict)
    """The project's own limits, each in its rule's unit."""


@dataclass(frozen=True)
class Exemption:
    """A person's decision that lets a criterion through without evidence."""

    status: Status
    """WAIVED or NOT_APPLICABLE."""
    reason: str
    expires_at: datetime | None = None


@dataclass(frozen=True)
class PartJudgement:
    """One part of a rule, judged."""

    rule: PartRule
    status: Status
    reason: str
    threshold: float | None = None
    """The limit in force, the project's own where it has set one; None when nobody has."""
    part: Part | None = None
    more: int | None = None
    """Samples that would decide at the observed rate, where that can be planned."""


@dataclass(frozen=True)
class Judgement:
    """A criterion's status with the reason for it."""

    criterion: Criterion
    status: Status
    reason: str
    parts: tuple[PartJudgement, ...] = ()
    moved: tuple[FingerprintKey, ...] = ()
    """Fingerprint keys that differ from what would be shipped."""

    @property
    def deciding(self) -> PartJudgement | None:
        """The part to show on the criterion's row: of the worst measured ones, the first with an interval."""
        measured = [part for part in self.parts if part.part is not None and part.part.value is not None]
        if not measured:
            return None
        status = worst([part.status for part in measured])
        of_that_status = [part for part in measured if part.status is status]
        return next(
            (part for part in of_that_status if isinstance(part.rule, SampledRule)), of_that_status[0]
        )

    @property
    def unmeasured_parts(self) -> tuple[str, ...]:
        """Labels of the parts that this version cannot measure, so that a pass never seems to cover them."""
        return tuple(part.rule.label for part in self.parts if part.status is Status.UNMEASURED)


def judge(
    criterion: Criterion,
    evidence: EvidenceView | None,
    situation: Situation,
    exemption: Exemption | None = None,
) -> Judgement:
    """The status of ``criterion`` on the newest ``evidence``.

    Raises ValueError when the exemption is not one that the criterion allows.
    """
    if situation.category not in criterion.profiles:
        return Judgement(criterion, Status.NOT_APPLICABLE, wording.other_category(situation.category))
    if exemption is not None and exemption.status is Status.NOT_APPLICABLE:
        if criterion.may_not_apply is None:
            raise ValueError(f"{criterion.id} applies to every product of its categories.")
        return Judgement(criterion, Status.NOT_APPLICABLE, exemption.reason)
    judgement = _on_evidence(criterion, evidence, situation)
    if exemption is None or judgement.status.lets_through:
        return judgement
    return _waived(judgement, exemption, situation.now)


def _waived(judgement: Judgement, exemption: Exemption, now: datetime) -> Judgement:
    if exemption.status is not Status.WAIVED or exemption.expires_at is None:
        raise ValueError("A waiver needs the status WAIVED and a day on which it ends.")
    if exemption.expires_at <= now:
        return judgement
    return replace(judgement, status=Status.WAIVED, reason=exemption.reason)


def _on_evidence(criterion: Criterion, evidence: EvidenceView | None, situation: Situation) -> Judgement:
    if evidence is None:
        if not criterion.measured:
            return Judgement(criterion, Status.UNMEASURED, wording.unmeasured())
        return Judgement(criterion, Status.UNKNOWN, wording.no_evidence(criterion))
    parts = tuple(_judge_part(rule, criterion, evidence, situation) for rule in criterion.parts)
    moved = moved_keys(evidence.fingerprint, situation.fingerprint, criterion.fingerprint)
    out_of_date = _out_of_date(criterion, evidence, moved, situation.now)
    if out_of_date:
        return Judgement(criterion, Status.STALE, out_of_date, parts, moved)
    if evidence.abstained:
        return Judgement(criterion, Status.ABSTAIN, wording.abstained(evidence), parts)
    vouches = criterion.kind == "attested" or not criterion.measured
    if evidence.attested and not evidence.parts and vouches:
        return Judgement(criterion, Status.ATTESTED, wording.attested(evidence))
    measurable = [part for part in parts if part.status is not Status.UNMEASURED]
    if not measurable:
        return Judgement(criterion, Status.UNMEASURED, wording.unmeasured(), parts)
    status = worst([part.status for part in measurable])
    judgement = Judgement(criterion, status, "", parts)
    first = next(part for part in measurable if part.status is status)
    shown = judgement.deciding
    return replace(judgement, reason=(shown if shown and shown.status is status else first).reason)


def _out_of_date(
    criterion: Criterion, evidence: EvidenceView, moved: tuple[FingerprintKey, ...], now: datetime
) -> str:
    """Why the evidence no longer counts; empty while it does."""
    if moved:
        return wording.moved(moved)
    if evidence.expires_at is not None and evidence.expires_at <= now:
        return wording.expired(evidence.expires_at)
    if criterion.max_age_days is not None:
        limit = timedelta(days=criterion.max_age_days)
        if now - evidence.measured_at > limit:
            return wording.too_old(now - evidence.measured_at, criterion.max_age_days)
    return ""


def _judge_part(
    rule: PartRule, criterion: Criterion, evidence: EvidenceView, situation: Situation
) -> PartJudgement:
    judgement = judge_part(rule, evidence.part(rule.name), situation.requirements)
    rests_on_a_word = evidence.attested or rule.attested or criterion.kind == "attested"
    if judgement.status is Status.PASS and rests_on_a_word:
        return replace(judgement, status=Status.ATTESTED)
    return judgement


def judge_part(
    rule: PartRule, part: Part | None, requirements: Mapping[Requirement, float] | None = None
) -> PartJudgement:
    """One measured quantity against its own threshold: PASS, FAIL, UNDECIDED, UNKNOWN or UNMEASURED."""
    threshold = threshold_in_force(rule, requirements or {})
    if part is None or part.value is None:
        if part is None and rule.producer is None:
            return PartJudgement(rule, Status.UNMEASURED, wording.unmeasured(), threshold)
        return PartJudgement(rule, Status.UNKNOWN, wording.part_missing(rule, part), threshold, part)
    if threshold is None:
        return PartJudgement(rule, Status.UNKNOWN, wording.no_limit(rule), None, part)
    if isinstance(rule, SampleRule):
        return _judge_sample(rule, part, part.value, threshold)
    if not _keeps(part.value, threshold, rule.direction):
        return PartJudgement(rule, Status.FAIL, wording.failed(rule, part, threshold), threshold, part)
    if isinstance(rule, SampledRule):
        return _judge_bound(rule, part, threshold)
    return PartJudgement(rule, Status.PASS, wording.passed(rule, part, threshold), threshold, part)


def threshold_in_force(rule: PartRule, requirements: Mapping[Requirement, float]) -> float | None:
    """The project's own limit where it has set one, else the shipped threshold."""
    if isinstance(rule, SampleRule):
        return rule.needed
    if isinstance(rule, OwnLimit) and rule.requirement is not None:
        return requirements.get(rule.requirement, rule.threshold)
    return rule.threshold


def _judge_sample(rule: SampleRule, part: Part, value: float, needed: float) -> PartJudgement:
    """Too small a sample is never a failure: more of it decides."""
    more = math.ceil(needed - value)
    if more <= 0:
        return PartJudgement(rule, Status.PASS, wording.passed(rule, part, needed), needed, part)
    return PartJudgement(rule, Status.UNDECIDED, wording.more_needed(rule, part, more), needed, part, more)


def _judge_bound(rule: SampledRule, part: Part, threshold: float) -> PartJudgement:
    bound = part.low if rule.direction is Direction.AT_LEAST else part.high
    if bound is not None and _keeps(bound, threshold, rule.direction):
        return PartJudgement(rule, Status.PASS, wording.proven(rule, part, bound), threshold, part)
    more, with_power = _samples_to_decide(rule, part, threshold)
    reason = wording.undecided(rule, part, bound, threshold, more, with_power)
    return PartJudgement(rule, Status.UNDECIDED, reason, threshold, part, more)


def _keeps(value: float, threshold: float, direction: Direction) -> bool:
    return value >= threshold if direction is Direction.AT_LEAST else value <= threshold


def _samples_to_decide(rule: SampledRule, part: Part, threshold: float) -> tuple[int | None, int | None]:
    """Samples still missing at the observed rate, and with ``PLANNED_POWER``; None where that is no plan."""
    if isinstance(rule, QuantileRule) and part.n is not None and part.high is None:
        return max(1, zero_failure_n(1 - rule.quantile, level=rule.level) - part.n), None
    if not isinstance(rule, RateRule) or not part.n or part.value is None:
        return None, None
    method = part.method if part.method in _PLANNED_METHODS else Method.CLOPPER_PEARSON
    successes = round(part.value * part.n)
    sizes = [
        samples_until_decided(
            successes, part.n, threshold, rule.direction, method=method, level=rule.level, power=power
        )
        for power in (None, PLANNED_POWER)
    ]
    first, powered = (plan.more if plan is not None and plan.more > 0 else None for plan in sizes)
    return first, powered

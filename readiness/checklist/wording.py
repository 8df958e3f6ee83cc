"""The sentences that explain a status: what was measured, what is missing, what would change it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from readiness.checklist.catalogue.parts import FactRule, PartRule, QuantileRule, SampledRule, SampleRule
from readiness.checklist.catalogue.schema import Category, Criterion, FingerprintKey
from readiness.checklist.evidence import EvidenceView, Part, key_names
from readiness.checklist.quantities import format_quantity, format_threshold
from readiness.lib.formats import SPACE
from readiness.lib.statistics import Direction


def other_category(category: Category) -> str:
    return f"Does not concern products of the category “{category}”."


def unmeasured() -> str:
    return "Not measured by this version; it does not block."


def no_evidence(criterion: Criterion) -> str:
    return criterion.fix.text


def abstained(evidence: EvidenceView) -> str:
    return evidence.explanation or "It was measured, but no score could be given."


def attested(evidence: EvidenceView) -> str:
    return evidence.explanation or "A person vouches for it."


def moved(keys: Iterable[FingerprintKey]) -> str:
    """``Measured on another prompt version and model than what would be shipped.``"""
    return f"Measured on another {key_names(keys)} than would be shipped now."


def expired(at: datetime) -> str:
    return f"The attestation ended on {at.day} {at:%B %Y}."


def too_old(age: timedelta, limit_days: int) -> str:
    return f"Measured {age.days} days ago; it counts for {limit_days} {'day' if limit_days == 1 else 'days'}."


def part_missing(rule: PartRule, part: Part | None) -> str:
    return f"{rule.label}: {part.note if part is not None and part.note else 'not measured yet'}."


def no_limit(rule: PartRule) -> str:
    return f"{rule.label}: the project has set no limit; add it to the requirements."


def passed(rule: PartRule, part: Part, threshold: float) -> str:
    if isinstance(rule, FactRule):
        return f"{rule.label}{_note(part)}."
    limit = format_threshold(threshold, rule.direction, rule.unit)
    return f"{rule.label}: {_value(rule, part, threshold)}{_sample(part)}, wanted {limit}{_note(part)}."


def failed(rule: PartRule, part: Part, threshold: float) -> str:
    if isinstance(rule, FactRule):
        return f"Not so: {rule.label[0].lower()}{rule.label[1:]}{_note(part)}."
    limit = format_threshold(threshold, rule.direction, rule.unit)
    return f"{rule.label}: {_value(rule, part, threshold)}{_sample(part)}, but wanted {limit}{_note(part)}."


def proven(rule: SampledRule, part: Part, bound: float) -> str:
    """``Hallucination rate: 1.5 % of 400, at most 3.2 % with 97.5 % confidence.``"""
    side = "at least" if rule.direction is Direction.AT_LEAST else "at most"
    certain = f"{side} {format_quantity(bound, rule.unit)} with {format_quantity(rule.level, '%')} confidence"
    return f"{rule.label}: {_value(rule, part)}{_sample(part)}, {certain}{_note(part)}."


def undecided(
    rule: SampledRule,
    part: Part,
    bound: float | None,
    threshold: float,
    more: int | None,
    powered: int | None,
) -> str:
    """``Hallucinations: 2.7 % (n = 184), but the bound reaches 6.2 % (wanted ≤ 5.0 %): about 170 more …``"""
    limit = format_threshold(threshold, rule.direction, rule.unit)
    measured = f"{rule.label}: {_value(rule, part)}{_sample(part)}"
    if bound is None:
        missing = "" if more is None else f": {more:,} more needed"
        return f"{measured}, but too few to have a bound (wanted {limit}){missing}{_note(part)}."
    reach = f"but its bound reaches {format_quantity(bound, rule.unit, beside=threshold)}"
    return f"{measured}, {reach} (wanted {limit}){_plan(more, powered)}{_note(part)}."


def more_needed(rule: SampleRule, part: Part, more: int) -> str:
    value = format_quantity(part.value or 0, rule.unit)
    return f"{rule.label}: {value} of {rule.needed:,}, {more:,} more needed{_note(part)}."


def _plan(more: int | None, powered: int | None) -> str:
    if more is None:
        return ""
    certain = f" (80 % power: {powered:,})" if powered is not None else ""
    return f": about {more:,} more at this rate decide{certain}"


def _value(rule: PartRule, part: Part, beside: float | None = None) -> str:
    assert part.value is not None
    return format_quantity(part.value, rule.unit, beside=beside)


def _sample(part: Part) -> str:
    return f" (n{SPACE}={SPACE}{part.n:,})" if part.n is not None else ""


def _note(part: Part) -> str:
    return f"; {part.note}" if part.note else ""


def rule_words(rule: PartRule, threshold: float | None) -> str:
    """What has to hold: ``the 97.5 % upper bound is ≤ 5.0 %``."""
    if isinstance(rule, FactRule):
        return "has to be so"
    if threshold is None:
        return "a limit of the project's own; none is set"
    limit = format_threshold(threshold, rule.direction, rule.unit)
    if isinstance(rule, SampledRule):
        side = "lower" if rule.direction is Direction.AT_LEAST else "upper"
        what = f" of the p{rule.quantile * 100:g}" if isinstance(rule, QuantileRule) else ""
        return f"the {format_quantity(rule.level, '%')} {side} bound{what} is {limit}"
    if isinstance(rule, SampleRule) and rule.half_width is not None and rule.at_rate is not None:
        points = f"±{rule.half_width * 100:g} points at {format_quantity(rule.at_rate, '%')}"
        return f"{limit}, which gives {points}"
    return limit


def measured_words(rule: PartRule, part: Part) -> str:
    """``Hallucination rate: 1.5 % (n = 400)``, without any verdict."""
    if isinstance(rule, FactRule):
        return f"{rule.label}: {'yes' if part.value else 'no'}"
    return f"{rule.label}: {_value(rule, part)}{_sample(part)}"

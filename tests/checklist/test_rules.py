"""Evidence and rule in, status out."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from readiness.checklist.catalogue.parts import PartRule
from readiness.checklist.evidence import Part
from readiness.checklist.rules import Exemption, judge, judge_part, threshold_in_force
from readiness.checklist.statuses import Status
from readiness.lib.statistics import Method, clopper_pearson, estimate_quantile
from tests.checklist.builders import NOW, criterion, evidence, plain, rate, rule_row, situation

FACT = {"name": "fact", "label": "Keys are stored hashed", "type": "fact"}


def rule(**fields: Any) -> PartRule:
    return TypeAdapter(PartRule).validate_python({"producer": "tests.rate"} | rule_row(**fields))


def value_rule(**fields: Any) -> PartRule:
    return TypeAdapter(PartRule).validate_python(
        {"name": "v", "label": "Age", "type": "value_at_most", "threshold": 30, "unit": "days"} | fields
    )


# One part ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "n", "status"),
    [
        (3, 400, Status.PASS),  # upper bound 2.2 %
        (5, 184, Status.UNDECIDED),  # 2.7 %, upper bound 6.2 %
        (10, 200, Status.UNDECIDED),  # on the threshold itself, the bound cannot be
        (11, 200, Status.FAIL),  # 5.5 %
        (0, 72, Status.PASS),  # the fewest clean samples that prove 5 %
        (0, 71, Status.UNDECIDED),
    ],
)
def test_rate_at_most_is_judged_by_its_upper_bound(failures: int, n: int, status: Status) -> None:
    assert judge_part(rule(threshold=0.05), rate(failures, n)).status is status


@pytest.mark.parametrize(
    ("successes", "n", "status"),
    [
        (200, 208, Status.PASS),
        (29, 30, Status.UNDECIDED),
        (17, 20, Status.FAIL),
    ],
)
def test_rate_at_least_is_judged_by_its_lower_bound(successes: int, n: int, status: Status) -> None:
    assert judge_part(rule(type="rate_at_least", threshold=0.90), rate(successes, n)).status is status


def test_undecided_rate_says_how_many_more_decide() -> None:
    judgement = judge_part(rule(threshold=0.05), rate(5, 184))

    assert judgement.more is not None
    assert f"about {judgement.more} more at this rate decide (80 % power: " in plain(judgement.reason)


def test_the_promised_samples_decide_if_the_rate_stays() -> None:
    judgement = judge_part(rule(threshold=0.05), rate(5, 184))
    assert judgement.more is not None
    n = 184 + judgement.more
    failures = int(n * 5 / 184)

    assert judge_part(rule(threshold=0.05), rate(failures, n)).status is Status.PASS


def test_a_growing_stream_is_planned_by_its_own_stricter_bound() -> None:
    planned = judge_part(rule(threshold=0.05), rate(5, 184))
    growing = judge_part(rule(threshold=0.05), rate(5, 184, method=Method.CONFIDENCE_SEQUENCE))

    assert growing.status is Status.UNDECIDED
    assert growing.more is not None
    assert planned.more is not None
    assert growing.more > planned.more


def test_rate_on_its_threshold_promises_no_number_of_samples() -> None:
    judgement = judge_part(rule(threshold=0.05), rate(10, 200))

    assert judgement.more is None
    assert "more at this rate" not in plain(judgement.reason)


def test_estimate_without_a_bound_is_undecided() -> None:
    kappa = rule(name="kappa", type="estimate_at_least", threshold=0.6)

    assert judge_part(kappa, Part("kappa", 0.8, n=4)).status is Status.UNDECIDED


@pytest.mark.parametrize(
    ("value", "low", "status"),
    [(0.7, 0.61, Status.PASS), (0.7, 0.5, Status.UNDECIDED), (0.5, 0.4, Status.FAIL)],
)
def test_estimate_is_judged_by_its_bound(value: float, low: float, status: Status) -> None:
    kappa = rule(name="kappa", type="estimate_at_least", threshold=0.6)

    assert judge_part(kappa, Part("kappa", value, n=100, low=low, high=0.9)).status is status


def latency_rule() -> PartRule:
    return rule(
        name="latency", type="quantile_at_most", quantile=0.95, threshold=2000, unit="ms",
        requirement="latency_p95_ms",
    )  # fmt: skip


def test_quantile_with_too_few_values_says_how_many_more_bound_it() -> None:
    part = Part.from_estimate("latency", estimate_quantile([900.0] * 50, 0.95))

    judgement = judge_part(latency_rule(), part)

    assert judgement.status is Status.UNDECIDED
    assert judgement.more == 72 - 50
    assert plain(judgement.reason) == (
        "Wrong answers: 900 ms (n = 50), but too few to have a bound (wanted ≤ 2.0 s): 22 more needed."
    )


def test_quantile_passes_on_its_upper_bound() -> None:
    part = Part.from_estimate("latency", estimate_quantile([900.0] * 72, 0.95))

    assert judge_part(latency_rule(), part).status is Status.PASS


def test_quantile_is_undecided_while_its_upper_bound_is_too_slow() -> None:
    values = [900.0] * 97 + [5000.0] * 3
    part = Part.from_estimate("latency", estimate_quantile(values, 0.95))

    assert judge_part(latency_rule(), part).status is Status.UNDECIDED


def test_projects_own_limit_takes_the_place_of_the_shipped_one() -> None:
    part = Part.from_estimate("latency", estimate_quantile([900.0] * 72, 0.95))

    judgement = judge_part(latency_rule(), part, {"latency_p95_ms": 800})

    assert judgement.status is Status.FAIL
    assert judgement.threshold == 800


def test_other_requirements_leave_the_shipped_limit() -> None:
    assert threshold_in_force(latency_rule(), {"ttft_p95_ms": 1}) == 2000


def test_limit_that_the_project_has_not_set_leaves_the_part_without_evidence() -> None:
    cost = rule(
        name="cost",
        label="Mean cost",
        type="estimate_at_most",
        threshold=None,
        requirement="cost_per_request",
    )

    judgement = judge_part(cost, Part("cost", 0.002, n=100, low=0.001, high=0.003))

    assert judgement.status is Status.UNKNOWN
    assert plain(judgement.reason) == "Mean cost: the project has set no limit; add it to the requirements."


@pytest.mark.parametrize(("value", "status"), [(30, Status.PASS), (30.1, Status.FAIL)])
def test_exact_value_needs_no_bound(value: float, status: Status) -> None:
    assert judge_part(value_rule(), Part("v", value)).status is status


@pytest.mark.parametrize(
    ("type_", "threshold", "value", "status"),
    [
        ("count_at_least", 2, 2, Status.PASS),
        ("count_at_least", 2, 1, Status.FAIL),
        ("count_at_most", 0, 0, Status.PASS),
        ("count_at_most", 0, 1, Status.FAIL),
        ("share_at_least", 0.99, 0.99, Status.PASS),
        ("share_at_least", 0.99, 0.98, Status.FAIL),
        ("share_at_most", 0.95, 0.95, Status.PASS),
        ("share_at_most", 0.95, 1.2, Status.FAIL),
    ],
)
def test_counts_and_shares_are_compared_as_they_stand(
    type_: str, threshold: float, value: float, status: Status
) -> None:
    assert judge_part(rule(type=type_, threshold=threshold), Part("rate", value, n=5)).status is status


@pytest.mark.parametrize(("value", "status"), [(1, Status.PASS), (0, Status.FAIL)])
def test_fact_is_so_or_not(value: float, status: Status) -> None:
    assert judge_part(value_rule(**FACT, unit="count", threshold=1), Part("fact", value)).status is status


def test_fact_that_is_not_so_reads_as_a_sentence() -> None:
    judgement = judge_part(value_rule(**FACT, unit="count", threshold=1), Part("fact", 0))

    assert plain(judgement.reason) == "Not so: keys are stored hashed."


def test_too_small_a_sample_is_undecided_and_never_a_failure() -> None:
    sample = rule(name="n", label="Decisions", type="sample_at_least", threshold=30)

    judgement = judge_part(sample, Part("n", 12))

    assert (judgement.status, judgement.more) == (Status.UNDECIDED, 18)
    assert plain(judgement.reason) == "Decisions: 12 of 30, 18 more needed."


def test_large_enough_a_sample_passes() -> None:
    sample = rule(name="n", label="Decisions", type="sample_at_least", threshold=30)

    assert judge_part(sample, Part("n", 30)).status is Status.PASS


def test_part_that_was_not_measured_is_unknown() -> None:
    assert judge_part(rule(), None).status is Status.UNKNOWN


def test_part_that_says_why_it_has_no_value_is_quoted() -> None:
    judgement = judge_part(rule(), Part("rate", None, note="the run is still going"))

    assert plain(judgement.reason) == "Wrong answers: the run is still going."


def test_part_that_nothing_measures_is_unmeasured() -> None:
    assert judge_part(rule(producer=None), None).status is Status.UNMEASURED


def test_part_that_nothing_measures_is_judged_when_evidence_has_it() -> None:
    assert judge_part(rule(producer=None), rate(0, 100)).status is Status.PASS


def test_failing_value_beside_its_limit_is_written_apart() -> None:
    judgement = judge_part(rule(threshold=0.05), rate(1001, 20_000))

    assert "5.01 %" in plain(judgement.reason) or "5.005 %" in plain(judgement.reason)
    assert "≤ 5.0 %" in plain(judgement.reason)


# A whole criterion ---------------------------------------------------------------------------------------


def test_criterion_passes_on_proof() -> None:
    judgement = judge(criterion(), evidence(rate(3, 400)), situation())

    assert judgement.status is Status.PASS
    assert plain(judgement.reason) == "Wrong answers: 0.75 % (n = 400), at most 2.2 % with 97.5 % confidence."


def test_criterion_without_evidence_is_unknown_and_says_what_to_do() -> None:
    judgement = judge(criterion(), None, situation())

    assert (judgement.status, judgement.reason) == (Status.UNKNOWN, "Measure it.")


def test_criterion_that_nothing_measures_is_unmeasured() -> None:
    assert judge(criterion(producer=None), None, situation()).status is Status.UNMEASURED


def test_criterion_of_another_category_is_not_applicable() -> None:
    judgement = judge(criterion(profiles=["text"]), evidence(rate(50, 60)), situation(category="decision"))

    assert judgement.status is Status.NOT_APPLICABLE


def test_composite_rule_needs_all_its_parts() -> None:
    composite = criterion(rule_row(name="a"), rule_row(name="b"))

    assert judge(composite, evidence(rate(0, 400, "a"), rate(0, 400, "b")), situation()).status is Status.PASS


@pytest.mark.parametrize(
    ("second", "status"),
    [
        (rate(60, 400, "b"), Status.FAIL),
        (rate(0, 20, "b"), Status.UNDECIDED),
        (Part("b", None), Status.UNKNOWN),
    ],
)
def test_composite_rule_shows_its_worst_part(second: Part, status: Status) -> None:
    composite = criterion(rule_row(name="a"), rule_row(name="b", label="Other"))

    judgement = judge(composite, evidence(rate(0, 400, "a"), second), situation())

    assert judgement.status is status
    assert judgement.reason.startswith("Other: ")


def test_parts_that_nothing_measures_do_not_hold_a_criterion_back_but_are_listed() -> None:
    composite = criterion(rule_row(name="a"), rule_row(name="b", label="Toxic answers", producer=None))

    judgement = judge(composite, evidence(rate(0, 400, "a")), situation())

    assert judgement.status is Status.PASS
    assert judgement.unmeasured_parts == ("Toxic answers",)


def test_row_shows_the_part_with_an_interval_before_an_exact_one() -> None:
    composite = criterion(
        {"name": "age", "label": "Age", "type": "value_at_most", "threshold": 30, "unit": "days"},
        rule_row(name="rate"),
    )

    deciding = judge(composite, evidence(Part("age", 3), rate(0, 400)), situation()).deciding

    assert deciding is not None
    assert deciding.rule.name == "rate"


def test_row_shows_the_part_that_decided() -> None:
    composite = criterion(
        {"name": "age", "label": "Age", "type": "value_at_most", "threshold": 30, "unit": "days"},
        rule_row(name="rate"),
    )

    deciding = judge(composite, evidence(Part("age", 31), rate(0, 400)), situation()).deciding

    assert deciding is not None
    assert deciding.rule.name == "age"


def test_abstained_evidence_is_neither_pass_nor_fail() -> None:
    judgement = judge(
        criterion(), evidence(rate(0, 400), abstained=True, explanation="The judge declined."), situation()
    )

    assert (judgement.status, judgement.reason) == (Status.ABSTAIN, "The judge declined.")


def test_evidence_on_another_prompt_is_stale_and_names_the_key() -> None:
    judgement = judge(
        criterion(fingerprint=["M", "P"]),
        evidence(rate(0, 400), fingerprint={"M": "a", "P": "v13"}),
        situation(fingerprint={"M": "a", "P": "v14"}),
    )

    assert (judgement.status, judgement.moved) == (Status.STALE, ("P",))
    assert plain(judgement.reason) == "Measured on another prompt version than would be shipped now."


def test_stale_evidence_keeps_its_interval_for_the_drawing() -> None:
    judgement = judge(
        criterion(fingerprint=["P"]), evidence(rate(0, 400)), situation(fingerprint={"P": "v14"})
    )

    assert judgement.deciding is not None


def test_failure_measured_on_something_else_is_stale_and_no_failure() -> None:
    judgement = judge(
        criterion(fingerprint=["P"]), evidence(rate(300, 400)), situation(fingerprint={"P": "v14"})
    )

    assert judgement.status is Status.STALE


@pytest.mark.parametrize(
    ("age", "status"),
    [(timedelta(days=7), Status.PASS), (timedelta(days=7, seconds=1), Status.STALE)],
)
def test_evidence_is_stale_beyond_its_age(age: timedelta, status: Status) -> None:
    judgement = judge(criterion(max_age_days=7), evidence(rate(0, 400), measured_at=NOW - age), situation())

    assert judgement.status is status


def test_person_vouches_for_an_attested_criterion() -> None:
    judgement = judge(
        criterion(kind="attested"), evidence(attested=True, explanation="Contract signed."), situation()
    )

    assert (judgement.status, judgement.reason) == (Status.ATTESTED, "Contract signed.")


def test_attestation_ends() -> None:
    judgement = judge(criterion(kind="attested"), evidence(attested=True, expires_at=NOW), situation())

    assert judgement.status is Status.STALE
    assert plain(judgement.reason) == "The attestation ended on 23 November 2026."


def test_a_persons_word_does_not_stand_for_a_measurement() -> None:
    assert judge(criterion(), evidence(attested=True), situation()).status is Status.UNKNOWN


def test_attested_criterion_that_nothing_measures_can_still_be_attested() -> None:
    attested = criterion(kind="attested", producer=None)

    assert judge(attested, evidence(attested=True), situation()).status is Status.ATTESTED


def test_measured_part_of_an_attested_criterion_gives_no_more_than_attested() -> None:
    assert judge(criterion(kind="attested"), evidence(rate(0, 400)), situation()).status is Status.ATTESTED


def test_one_part_on_a_persons_word_makes_the_whole_attested() -> None:
    mixed = criterion(rule_row(), FACT | {"attested": True})

    assert judge(mixed, evidence(rate(0, 400), Part("fact", 1)), situation()).status is Status.ATTESTED


def test_failing_part_of_an_attested_criterion_fails() -> None:
    assert judge(criterion(kind="attested"), evidence(rate(300, 400)), situation()).status is Status.FAIL


# Exemptions ----------------------------------------------------------------------------------------------


def waiver(**fields: Any) -> Exemption:
    defaults: dict[str, Any] = {"status": Status.WAIVED, "reason": "Known.", "expires_at": NOW + timedelta(1)}
    return Exemption(**(defaults | fields))


def test_waiver_lets_a_failure_through_until_it_ends() -> None:
    failing = evidence(rate(300, 400))

    assert judge(criterion(), failing, situation(), waiver()).status is Status.WAIVED
    assert judge(criterion(), failing, situation(), waiver(expires_at=NOW)).status is Status.FAIL


def test_waiver_does_not_hide_a_pass() -> None:
    assert judge(criterion(), evidence(rate(0, 400)), situation(), waiver()).status is Status.PASS


def test_waiver_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="a day on which it ends"):
        judge(criterion(), None, situation(), waiver(expires_at=None))


def test_criterion_that_may_not_apply_can_be_declared_so() -> None:
    optional = criterion(may_not_apply="The product adds nothing to its prompts.")
    exemption = Exemption(Status.NOT_APPLICABLE, "No enrichment at all.")

    judgement = judge(optional, None, situation(), exemption)

    assert (judgement.status, judgement.reason) == (Status.NOT_APPLICABLE, "No enrichment at all.")


def test_criterion_that_always_applies_cannot_be_declared_away() -> None:
    with pytest.raises(ValueError, match="applies to every product"):
        judge(criterion(), None, situation(), Exemption(Status.NOT_APPLICABLE, "Not for us."))


# Properties ----------------------------------------------------------------------------------------------

_BETTER = [Status.FAIL, Status.UNDECIDED, Status.PASS]
_counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
_thresholds = st.floats(0.01, 0.99)


@given(_counts, _thresholds, _thresholds)
def test_tightening_an_upper_limit_never_helps(counts: tuple[int, int], one: float, other: float) -> None:
    part = rate(*counts)
    tight, loose = sorted([one, other])

    strict = judge_part(rule(threshold=tight), part).status
    lenient = judge_part(rule(threshold=loose), part).status

    assert _BETTER.index(strict) <= _BETTER.index(lenient)


@given(_counts, _thresholds, _thresholds)
def test_tightening_a_lower_limit_never_helps(counts: tuple[int, int], one: float, other: float) -> None:
    part = rate(*counts)
    loose, tight = sorted([one, other])

    strict = judge_part(rule(type="rate_at_least", threshold=tight), part).status
    lenient = judge_part(rule(type="rate_at_least", threshold=loose), part).status

    assert _BETTER.index(strict) <= _BETTER.index(lenient)


@given(_counts, _thresholds)
def test_a_pass_keeps_the_limit_with_the_whole_interval_on_its_side(
    counts: tuple[int, int], threshold: float
) -> None:
    judgement = judge_part(rule(threshold=threshold), rate(*counts))

    assert (judgement.status is Status.PASS) == (clopper_pearson(*counts).high <= threshold)


@given(_counts, st.floats(0.8, 0.97), st.floats(0.975, 0.999))
def test_asking_for_more_confidence_never_helps(counts: tuple[int, int], low: float, high: float) -> None:
    failures, n = counts
    statuses = []
    for level in (high, low):
        interval = clopper_pearson(failures, n, level=level)
        part = replace(rate(failures, n), low=interval.low, high=interval.high)
        statuses.append(judge_part(rule(threshold=0.05, level=level), part).status)

    assert _BETTER.index(statuses[0]) <= _BETTER.index(statuses[1])


@given(_counts)
def test_a_waiver_changes_only_what_would_hold_the_gate_shut(counts: tuple[int, int]) -> None:
    plain = judge(criterion(), evidence(rate(*counts)), situation())
    waived = judge(criterion(), evidence(rate(*counts)), situation(), waiver())

    assert waived.status.lets_through
    assert (waived.status is plain.status) == plain.status.lets_through

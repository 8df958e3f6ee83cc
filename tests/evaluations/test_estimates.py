"""Estimates against sums done by hand."""

from dataclasses import replace

import pytest

from readiness.evaluations.estimates import CallSize, estimate_run, expected_nanos, judge_size, worst_nanos
from readiness.judges.services import MAX_VERDICT_TOKENS
from readiness.providers.base import DeploymentSpec, PriceTable, Quota


def spec(*, known: bool = True, **quota: int) -> DeploymentSpec:
    """One nano-dollar per input token, ten per output token."""
    return DeploymentSpec(
        id=1,
        account_id=1,
        label="Writer",
        kind="openai",
        base_url="",
        credential="",
        model="writer",
        parameters={},
        max_output_tokens=100,
        quota=Quota(**quota),
        simulated=False,
        prices=PriceTable(known=known, input_token=1, output_token=10),
    )


SIZE = CallSize(characters=400, max_tokens=50)


def estimate(count=10, arms=1, trials=1, judge=None, **quota):
    return estimate_run(sizes=[SIZE] * count, arms=[spec(**quota)] * arms, judge=judge, trials=trials)


def test_expected_cost_takes_half_of_the_longest_answer():
    assert expected_nanos(spec(), SIZE) == 100 + 25 * 10


def test_worst_cost_takes_twice_the_input_and_the_longest_answer():
    assert worst_nanos(spec(), SIZE) == 200 + 50 * 10


def test_cells_and_cost_grow_with_arms_and_trials():
    planned = estimate(arms=2, trials=3)
    assert (planned.cells, planned.expected_nanos) == (60, 60 * 350)


def test_a_judge_is_paid_for_every_answer():
    judged = estimate(arms=2, judge=spec())
    per_answer = expected_nanos(spec(), judge_size(SIZE))
    assert judged.expected_nanos == 20 * 350 + 20 * per_answer
    assert judge_size(SIZE).max_tokens == MAX_VERDICT_TOKENS


def test_time_is_what_the_tightest_quota_needs_from_a_full_bucket():
    assert estimate(count=120, rpm=60).seconds == pytest.approx(60)
    assert estimate(count=120, rpm=60, tpm=6_000).seconds == pytest.approx(60)
    assert estimate(count=120, rpm=60, tpm=3_000).seconds == pytest.approx((120 * 100 - 3_000) / 50)


def test_time_counts_input_and_output_apart_and_the_whole_account():
    assert estimate(count=120, itpm=6_000).seconds == pytest.approx((120 * 100 - 6_000) / 100)
    assert estimate(count=120, otpm=600).seconds == pytest.approx((120 * 25 - 600) / 10)
    arm = replace(spec(rpm=1000), account_quota=Quota(rpm=60))
    assert estimate_run(sizes=[SIZE] * 120, arms=[arm], judge=None, trials=1).seconds == pytest.approx(60)


def test_time_is_unknown_without_a_quota_and_none_within_one():
    assert estimate().seconds is None
    assert estimate(count=5, rpm=60).seconds == 0


def test_unpriced_models_are_named():
    planned = estimate_run(sizes=[SIZE], arms=[spec(known=False)], judge=None, trials=1)
    assert planned.unpriced == ("Writer",)

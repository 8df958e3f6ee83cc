"""Spot-checks at work, through the real door, Redis and database; the provider is a script."""

import json

import httpx
import pytest
from asgiref.sync import sync_to_async

from readiness.quality.models import CheckState, Reask, SpotCheck
from readiness.quality.runner import run_checks
from readiness.reviews.models import ReviewItem, Stream
from tests.quality.support import CALL_NANOS, NOW

pytestmark = pytest.mark.django_db(transaction=True)


async def run(project, door, now=NOW):
    async with door() as opened:
        return await run_checks(project.pk, door=opened, clock=lambda: now)


async def reread(row):
    await row.arefresh_from_db()
    return row


async def test_supported_and_consistent_answer_opens_no_review(project, policy, make_check, door, provider):
    check = await sync_to_async(make_check)()
    assert await run(project, door) == 1
    await reread(check)
    assert (check.state, check.supported, check.consistent) == (CheckState.DONE, True, True)
    assert (check.unsupported_details, check.findings, check.review_item_id) == (0, [], None)
    assert check.judge_label == "judge · grounded/1"
    assert provider.calls == {"judge": 1, "writer": 2}
    assert (check.cost_nanos, check.reserved_nanos) == (3 * CALL_NANOS, 0)


async def test_unsupported_answer_is_flagged_and_opens_a_risk_item(
    project, policy, make_check, door, provider
):
    reason = {"verdict": "unsupported", "spans": ["nine years"], "reason": "The source says two."}
    provider.verdict = json.dumps(reason)
    check = await sync_to_async(make_check)(output="Warranty 1 lasts nine years.")
    await run(project, door)
    item = await ReviewItem.objects.aget()
    assert (item.stream, item.kind, item.object_id) == (Stream.RISK, "spot_check", str(check.pk))
    assert {"start": 17, "end": 27, "kind": "unsupported", "text": "nine years", "scorer": "judge"} in (
        item.findings
    )
    assert (await reread(check)).explanation == "The source says two."


async def test_answer_that_was_drawn_opens_a_random_item_whatever_is_found(project, policy, make_check, door):
    await sync_to_async(make_check)(drawn=True)
    await run(project, door)
    item = await ReviewItem.objects.aget()
    assert (item.stream, item.inclusion_probability) == (Stream.RANDOM, pytest.approx(0.5 * 0.2))


async def test_drawn_and_flagged_answer_stays_in_the_random_stream(
    project, policy, make_check, door, provider
):
    provider.reply = "Something else entirely, every time."
    await sync_to_async(make_check)(drawn=True)
    await run(project, door)
    assert (await ReviewItem.objects.aget()).stream == Stream.RANDOM
    assert (await SpotCheck.objects.aget()).consistent is False


async def test_judge_that_abstains_is_no_failure(project, policy, make_check, door, provider):
    provider.verdict = "I would rather not say."
    check = await sync_to_async(make_check)()
    await run(project, door)
    await reread(check)
    assert (check.state, check.supported, check.error_message) == (CheckState.DONE, None, "")
    assert "not the verdict" in check.explanation


async def test_without_a_judge_support_is_not_measured_and_said_so(
    project, policy, make_check, door, provider
):
    policy.judge = None
    await policy.asave()
    check = await sync_to_async(make_check)()
    await run(project, door)
    await reread(check)
    assert (check.state, check.supported) == (CheckState.DONE, None)
    assert "No judge is chosen" in check.explanation
    assert provider.calls["judge"] == 0


async def test_question_is_asked_again_as_in_production_but_with_temperature(
    project, policy, make_check, door, provider
):
    await sync_to_async(make_check)()
    await run(project, door)
    bodies = [body for body in provider.bodies if body["model"] == "writer"]
    assert [body["temperature"] for body in bodies] == [0.7, 0.7]
    assert "How long is warranty 1?" in bodies[0]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prompt_version_id": None}, "the prompt version that it was given with is unknown"),
        ({"deployment": None}, "its deployment is unknown"),
    ],
)
async def test_answer_that_cannot_be_asked_again_is_still_judged(
    project, policy, make_check, door, provider, values, words
):
    check = await sync_to_async(make_check)(**values)
    await run(project, door)
    await reread(check)
    assert (check.state, check.supported, check.consistent) == (CheckState.DONE, True, None)
    assert words in check.explanation


async def test_failed_call_fails_the_check_in_words_and_keeps_the_rest(
    project, policy, make_check, door, provider
):
    provider.verdict = httpx.Response(401, json={"error": {"message": "bad key"}})
    check = await sync_to_async(make_check)()
    await run(project, door)
    await reread(check)
    assert (check.state, check.supported, check.consistent) == (CheckState.FAILED, None, True)
    assert check.error_message
    assert check.cost_nanos == 2 * CALL_NANOS


async def test_budget_is_never_passed(project, policy, make_check, door, provider):
    for _ in range(6):
        await sync_to_async(make_check)()
    policy.daily_budget_nanos = 2_500_000
    await policy.asave()
    finished = await run(project, door)
    spent = sum([check.cost_nanos async for check in SpotCheck.objects.all()])
    assert 0 < finished < 6
    assert spent <= policy.daily_budget_nanos
    assert sum(provider.calls.values()) * CALL_NANOS == spent


async def test_budget_starts_anew_on_the_next_day(project, policy, make_check, door):
    for _ in range(3):
        await sync_to_async(make_check)()
    policy.daily_budget_nanos = 1_500_000
    await policy.asave()
    first = await run(project, door)
    assert await run(project, door) == 0
    assert 0 < first < 3
    assert await run(project, door, NOW.replace(day=2)) > 0


async def test_unpriced_judge_is_not_asked(project, policy, make_check, door, provider):
    await policy.judge.price_overrides.all().adelete()
    check = await sync_to_async(make_check)()
    await run(project, door)
    assert "Nobody knows the judge's price" in (await reread(check)).explanation
    assert provider.calls["judge"] == 0


async def test_killed_workers_check_goes_on_where_it_was(project, policy, make_check, door, provider):
    check = await sync_to_async(make_check)()
    await Reask.objects.acreate(
        spot_check=check,
        number=1,
        request_id="r",
        output="Warranty 1 lasts two years.",
        agreement=1.0,
        at=NOW,
    )
    check.state, check.lease_token, check.leased_until = CheckState.LEASED, "dead", NOW
    check.started_at, check.reserved_nanos = NOW, 700_000
    check.supported, check.judge_label = True, "judge · grounded/1"
    await check.asave()
    assert await run(project, door, NOW.replace(minute=1)) == 1
    await reread(check)
    assert provider.calls == {"writer": 1}
    # The dead worker's calls may have been charged: its reservation counts as spent.
    assert (check.state, check.cost_nanos) == (CheckState.DONE, 700_000 + CALL_NANOS)


async def test_check_of_a_living_worker_is_left_alone(project, policy, make_check, door):
    check = await sync_to_async(make_check)()
    check.state, check.lease_token, check.leased_until = CheckState.LEASED, "alive", NOW.replace(minute=9)
    await check.asave()
    assert await run(project, door) == 0


async def test_sampled_answer_that_waited_too_long_is_given_up(project, policy, make_check, door):
    check = await sync_to_async(make_check)()
    assert await run(project, door, NOW.replace(day=4)) == 0
    await reread(check)
    assert check.state == CheckState.FAILED
    assert "did not reach this answer" in check.error_message


async def test_refusal_by_our_own_limits_lets_the_check_wait(project, policy, make_check, door, provider):
    policy.judge.tpm = 10  # less than any verdict takes: refused at once
    await policy.judge.asave()
    check = await sync_to_async(make_check)()
    assert await run(project, door) == 0
    await reread(check)
    assert (check.state, check.reserved_nanos) == (CheckState.PENDING, 0)
    assert await check.reasks.acount() == 2


async def test_switched_off_policy_checks_nothing(project, policy, make_check, door):
    await sync_to_async(make_check)()
    policy.enabled = False
    await policy.asave()
    assert await run(project, door) == 0

"""What is drawn, how often, and that each answer is offered exactly once."""

from datetime import timedelta
from math import ceil, floor
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.quality.models import SpotCheck
from readiness.quality.services.sampling import SETTLE, draw, sample_answers, wanted_now
from tests.builders import make_logged_answer
from tests.quality.support import NOW


def sample(project, now=NOW, seed=1):
    return sample_answers(project=project, now=now, seed=seed)


@given(st.integers(0, 400), st.floats(0, 1), st.integers(0, 2**32))
def test_draw_takes_its_expectation_rounded_and_no_place_twice(count, chance, seed):
    drawn = draw(count, chance, Random(seed))
    assert drawn == sorted(set(drawn))
    assert floor(count * chance - 1e-6) <= len(drawn) <= ceil(count * chance + 1e-6)
    assert all(0 <= place < count for place in drawn)


def test_every_place_is_drawn_with_its_chance():
    rounds, count, chance = 4_000, 17, 0.3
    random, times = Random(7), [0] * count
    for _ in range(rounds):
        for place in draw(count, chance, random):
            times[place] += 1
    # Five standard deviations of a binomial.
    assert all(abs(hits / rounds - chance) < 5 * (chance * (1 - chance) / rounds) ** 0.5 for hits in times)


@pytest.mark.parametrize(
    ("answers", "of_a_day", "day_passed", "sampled_today", "wanted"),
    [
        (1000, 100_000, 0.5, 25, 10),  # the minimum is met so far: the share counts
        (1000, 100_000, 0.5, 5, 20),  # 20 of the day's 50 are missing
        (100, 1_000, 0.5, 25, 5),  # a tenth of the day's answers: a tenth of the minimum
        (10, 30, 0.1, 0, 50 / 3),  # a quiet day is checked whole: the chance is then 1
        (5_000, 10, 0.5, 0, 50),  # many old answers at once: the minimum, not all of them
        (10, 1_000, 0.5, 400, 0.1),
    ],
)
def test_round_wants_the_share_or_its_part_of_the_minimum(
    answers, of_a_day, day_passed, sampled_today, wanted
):
    assert wanted_now(
        answers=answers,
        share=0.01,
        daily_minimum=50,
        day_passed=day_passed,
        sampled_today=sampled_today,
        answers_of_a_day=of_a_day,
    ) == pytest.approx(wanted)


def test_sample_keeps_the_chance_of_each_answer(project, policy):
    for _ in range(100):
        make_logged_answer(project)
    assert sample(project) == 50
    assert set(SpotCheck.objects.values_list("inclusion_probability", flat=True)) == {0.5}


def test_sample_takes_from_every_stratum_in_proportion(project, policy):
    for stratum, count in (("a", 60), ("b", 40)):
        for _ in range(count):
            make_logged_answer(project, stratum=stratum)
    sample(project)
    found = [check.answer.stratum for check in SpotCheck.objects.select_related("answer")]
    assert (found.count("a"), found.count("b")) == (30, 20)


def test_answer_is_offered_once_however_many_rounds_there_are(project, policy):
    for _ in range(100):
        make_logged_answer(project)
    sample(project)
    assert sum(sample(project, NOW + timedelta(minutes=5 * i), seed=i) for i in range(1, 40)) == 0
    assert sample(project, NOW + timedelta(days=1)) == 0


def test_sample_of_the_whole_day_reaches_the_minimum(project, policy):
    policy.share = 0
    policy.save()
    drawn = []
    for hour in range(48):
        now = NOW.replace(hour=0) + timedelta(hours=hour, minutes=59)
        for _ in range(10):
            make_logged_answer(project, at=now - timedelta(minutes=1))
        drawn.append(sample(project, now, seed=hour))
    assert sum(drawn[:24]) == 50
    assert 48 <= sum(drawn[24:]) <= 50
    assert max(drawn[24:]) <= 3  # once a day's volume is known the sample is spread over the day


def test_young_answers_wait_for_the_next_round(project, policy):
    make_logged_answer(project, at=NOW - SETTLE + timedelta(seconds=1))
    assert sample(project) == 0
    assert sample(project, NOW + timedelta(minutes=5)) == 1


def test_nothing_is_sampled_while_the_policy_is_off(project, policy):
    make_logged_answer(project)
    policy.enabled = False
    policy.save()
    assert sample(project) == 0


def test_nothing_is_sampled_without_a_policy(project):
    make_logged_answer(project)
    assert sample(project) == 0


def test_part_of_the_sample_is_drawn_for_review_before_anything_is_found(project, policy):
    policy.daily_minimum = 2_000
    policy.save()
    for _ in range(300):
        make_logged_answer(project)
    assert sample(project) == 300
    assert 30 <= SpotCheck.objects.filter(drawn_for_review=True).count() <= 95

"""Which answers are spot-checked: drawn by chance, each with a chance that is known and kept."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

from django.db import transaction
from django.db.models import Max

from readiness.inference.models import LoggedAnswer
from readiness.projects.models import Project
from readiness.quality.models import SpotCheck, SpotCheckPolicy
from readiness.quality.queries import day_start

SETTLE: Final = timedelta(seconds=30)
"""Answers younger than this wait for the next round: one with a smaller id may still be on its way."""

REVIEW_SHARE: Final = 0.2
"""Share of the sampled answers that people review whatever the checks find: their rate is unbiased."""


@transaction.atomic
def sample_answers(*, project: Project, now: datetime, seed: int) -> int:
    """Offers the answers since the last round to the sample, each exactly once; returns how many were drawn.

    All answers of a round have the same chance. The policy's row is locked, so that two rounds follow each
    other.
    """
    policy = SpotCheckPolicy.objects.select_for_update().filter(project=project, enabled=True).first()
    if policy is None:
        return 0
    settled = project.logged_answers.filter(at__lte=now - SETTLE)
    newest = settled.aggregate(newest=Max("id"))["newest"] or 0
    ids = _offered(project, policy.considered_until, newest)
    if ids:
        sampled = project.spot_checks.filter(sampled_at__gte=day_start(now)).count()
        wanted = wanted_now(
            answers=len(ids),
            share=policy.share,
            daily_minimum=policy.daily_minimum,
            day_passed=(now - day_start(now)) / timedelta(days=1),
            answers_of_a_day=project.logged_answers.filter(at__gt=now - timedelta(days=1)).count(),
            sampled_today=sampled,
        )
        chance = min(1.0, wanted / len(ids))
        random = Random(seed)  # noqa: S311 - a sample, not a secret
        drawn = [ids[place] for place in draw(len(ids), chance, random)]
        SpotCheck.objects.bulk_create(_checks(project, drawn, chance, now, random), batch_size=500)
    else:
        drawn = []
    if newest > policy.considered_until:
        policy.considered_until = newest
        policy.save(update_fields=["considered_until"])
    return len(drawn)


def _offered(project: Project, after: int, newest: int) -> Sequence[int]:
    """Ids in the order of their strata: a systematic sample then takes from each stratum in proportion."""
    answers = project.logged_answers.filter(id__gt=after, id__lte=newest, spot_check=None)
    return list(answers.order_by("stratum", "id").values_list("id", flat=True))


def wanted_now(
    *,
    answers: int,
    share: float,
    daily_minimum: int,
    day_passed: float,
    sampled_today: int,
    answers_of_a_day: int,
) -> float:
    """How many of a round's answers to draw, as an expectation; it may be a fraction.

    The policy's share of them or, if that is more, their part of the day's minimum: in proportion to the
    answers of the last 24 hours, so that a quiet day is checked whole and a busy one evenly, or what the
    minimum lacks at this time of the day (``day_passed``: 0 to 1). Depends on no answer's content, so that
    every chance is known before anything is looked at.
    """
    missing = max(0, daily_minimum - sampled_today)
    in_proportion = daily_minimum * answers / max(answers_of_a_day, 1)
    behind = daily_minimum * day_passed - sampled_today
    return max(share * answers, min(missing, max(in_proportion, behind)))


def draw(count: int, chance: float, random: Random) -> list[int]:
    """A systematic sample of the places 0 … count − 1.

    Each has exactly the chance; the size is its expectation rounded up or down.
    """
    start = random.random()
    return [k for k in range(count) if int((k + 1) * chance + start) > int(k * chance + start)]


def _checks(
    project: Project, ids: Iterable[int], chance: float, now: datetime, random: Random
) -> list[SpotCheck]:
    answers = LoggedAnswer.objects.only("deployment_id", "prompt_hash").in_bulk(list(ids))
    return [
        SpotCheck(
            project=project,
            answer_id=pk,
            deployment_id=answers[pk].deployment_id,
            prompt_hash=answers[pk].prompt_hash,
            sampled_at=now,
            inclusion_probability=chance,
            drawn_for_review=random.random() < REVIEW_SHARE,
        )
        for pk in ids
    ]

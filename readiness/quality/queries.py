"""Reads of spot-checks: rates as evidence, the stream for its page, and the series of the chart."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncHour, TruncMinute

from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.quality.models import CheckState, SpotCheck, SpotCheckPolicy
from readiness.telemetry.ranges import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the finished checks of a random sample found. Counts of answers; abstentions are in neither n."""

    checked: int = 0
    judged: int = 0
    """Answers about which the judge decided."""
    supported: int = 0
    compared: int = 0
    """Answers whose question was asked again."""
    consistent: int = 0


_COUNTS = {
    "checked": Count("id"),
    "judged": Count("supported"),
    "supported": Count("id", filter=Q(supported=True)),
    "compared": Count("consistent"),
    "consistent": Count("id", filter=Q(consistent=True)),
}


def rates(
    project: Project, deployment: Deployment | None, prompt_hash: str, since: datetime | None = None
) -> Rates:
    """Counts of one model and prompt version, of answers given since a moment; one query.

    Each sampled answer counts once, also where hours were sampled with different chances.
    """
    checks = project.spot_checks.filter(deployment=deployment, prompt_hash=prompt_hash)
    return _counted(checks, since)


def project_rates(project: Project, since: datetime) -> Rates:
    """The same for everything that the project answered."""
    return _counted(project.spot_checks.all(), since)


def _counted(checks: QuerySet[SpotCheck], since: datetime | None) -> Rates:
    checks = checks.filter(state=CheckState.DONE)
    if since:
        checks = checks.filter(answer__at__gte=since)
    return Rates(**checks.aggregate(**_COUNTS))


@dataclass(frozen=True, slots=True)
class Window:
    """Counts of one window of the chart, from its start to the next one's."""

    start: datetime
    rates: Rates


_STEPS = {
    "1h": timedelta(minutes=10),
    "24h": timedelta(hours=3),
    "7d": timedelta(days=1),
    "30d": timedelta(days=3),
}
"""Windows of the chart by range: wide enough to hold more than a handful of checks."""


def series(project: Project, chosen: Range, now: datetime) -> Sequence[Window]:
    """Windows of a range that hold checks, by the time of sampling, oldest first; summed in the database."""
    step, since = _STEPS[chosen.name].total_seconds(), now - chosen.span
    grain = TruncMinute("sampled_at") if step < 3600 else TruncHour("sampled_at")
    rows = (
        project.spot_checks.filter(sampled_at__gte=since, state=CheckState.DONE)
        .annotate(moment=grain)
        .values("moment")
        .annotate(**_COUNTS)
        .order_by("moment")
        .values_list("moment", *_COUNTS)
    )
    windows: dict[int, list[int]] = {}
    for moment, *counts in rows:
        sums = windows.setdefault(int(moment.timestamp() // step), [0] * len(_COUNTS))
        sums[:] = map(operator.add, sums, counts)
    return [
        Window(
            datetime.fromtimestamp(number * step, now.tzinfo), Rates(**dict(zip(_COUNTS, sums, strict=True)))
        )
        for number, sums in windows.items()
    ]


def checks_of(project: Project, *, show: str = "") -> QuerySet[SpotCheck]:
    """The stream, newest first; ``show``: flagged, unflagged, failed, waiting, or everything."""
    checks = project.spot_checks.select_related("answer", "deployment", "review_item")
    if show == "flagged":
        return checks.flagged()
    if show == "unflagged":
        return checks.filter(state=CheckState.DONE).exclude(pk__in=project.spot_checks.flagged())
    if show == "failed":
        return checks.filter(state=CheckState.FAILED)
    if show == "waiting":
        return checks.filter(state__in=[CheckState.PENDING, CheckState.LEASED])
    return checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """Spot-checks since midnight UTC. Money in nano-dollars."""

    answers: int
    sampled: int
    waiting: int
    """Of any day: sampled and not begun, or to be begun again."""
    in_flight: int
    spent_nanos: int
    reserved_nanos: int


def today(project: Project, now: datetime) -> Today:
    """Sampled, waiting and spent today."""
    midnight = day_start(now)
    counts = project.spot_checks.aggregate(
        sampled=Count("id", filter=Q(sampled_at__gte=midnight)),
        waiting=Count("id", filter=Q(state=CheckState.PENDING)),
        in_flight=Count("id", filter=Q(state=CheckState.LEASED)),
    )
    spent, reserved = spend_of_day(project, now)
    answers = project.logged_answers.filter(at__gte=midnight).count()
    return Today(answers=answers, spent_nanos=spent, reserved_nanos=reserved, **counts)


def spend_of_day(project: Project, now: datetime) -> tuple[int, int]:
    """(spent, reserved) nano-dollars of the checks that were started today, UTC."""
    started = project.spot_checks.filter(started_at__gte=day_start(now))
    sums = started.aggregate(spent=Sum("cost_nanos", default=0), reserved=Sum("reserved_nanos", default=0))
    return sums["spent"], sums["reserved"]


def day_start(now: datetime) -> datetime:
    """Midnight UTC before ``now``, which is in UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def policy_of(project: Project) -> SpotCheckPolicy:
    """The project's policy; an unsaved one with the defaults, switched off, where none was set."""
    policy = SpotCheckPolicy.objects.filter(project=project).select_related("judge__account").first()
    return policy or SpotCheckPolicy(project=project, enabled=False)

"""Reads of spot-checks, for their pages and as evidence."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.quality.models import CheckState, SpotCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the finished checks of a random sample found. Counts of answers; abstentions are in neither n."""

    checked: int
    judged: int
    """Answers about which the judge decided."""
    supported: int
    compared: int
    """Answers whose question was asked again."""
    consistent: int


def rates(
    project: Project, deployment: Deployment | None, prompt_hash: str, since: datetime | None = None
) -> Rates:
    """Counts of one model and prompt version, of answers given since a moment; one query."""
    checks = SpotCheck.objects.filter(
        project=project, deployment=deployment, prompt_hash=prompt_hash, state=CheckState.DONE
    )
    if since:
        checks = checks.filter(answer__at__gte=since)
    return Rates(
        **checks.aggregate(
            checked=Count("id"),
            judged=Count("supported"),
            supported=Count("id", filter=Q(supported=True)),
            compared=Count("consistent"),
            consistent=Count("id", filter=Q(consistent=True)),
        )
    )

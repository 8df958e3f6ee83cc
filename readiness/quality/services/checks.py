"""Spot-checks in progress: claimed by lease under the day's budget, stored call by call, finished once.

Whatever touches the budget locks the policy's row first, so that spent + reserved never passes it whatever
the number of workers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from readiness.inference.models import LoggedAnswer
from readiness.projects.models import Project
from readiness.quality.models import CheckState, Reask, SpotCheck, SpotCheckPolicy
from readiness.quality.queries import day_start, spend_of_day
from readiness.quality.services.sampling import REVIEW_SHARE
from readiness.reviews.models import Stream
from readiness.reviews.services import open_item

LEASE: Final = timedelta(minutes=10)
"""As long as a job of the queue may run at most: a living worker's lease never ends under it."""

PATIENCE: Final = timedelta(hours=48)
"""A sampled answer that the budget did not reach for this long is given up."""

CONSISTENT_FROM: Final = 0.5
"""Mean token F1 between an answer and the re-asked ones from which on they count as consistent."""

REVIEW_KIND: Final = "spot_check"


@transaction.atomic
def claim_checks(
    *,
    project: Project,
    limit: int,
    token: str,
    bound: Callable[[SpotCheck], int],
    now: datetime,
) -> list[SpotCheck]:
    """Leases up to ``limit`` waiting checks, oldest first, as far as today's budget reaches.

    ``bound(check)`` is the most that it can still cost in nano-dollars; it is reserved.
    """
    policy = SpotCheckPolicy.objects.select_for_update().get(project=project)
    _reap(project, now)
    left = policy.daily_budget_nanos - sum(spend_of_day(project, now))
    waiting = project.spot_checks.filter(state=CheckState.PENDING).select_related("answer")
    claimed: list[SpotCheck] = []
    for check in waiting.prefetch_related("reasks").order_by("sampled_at", "id")[:limit]:
        # What it cost on an earlier day counts again from now on: more than was spent, never less.
        counted = check.started_at is not None and check.started_at >= day_start(now)
        earlier = 0 if counted else check.cost_nanos
        check.reserved_nanos = bound(check)
        left -= check.reserved_nanos + earlier
        if left < 0:
            break
        check.state, check.lease_token, check.leased_until = CheckState.LEASED, token, now + LEASE
        check.started_at = now
        claimed.append(check)
    fields = ["state", "lease_token", "leased_until", "started_at", "reserved_nanos"]
    SpotCheck.objects.bulk_update(claimed, fields)
    return claimed


def _reap(project: Project, now: datetime) -> None:
    """Frees the checks of dead workers and gives up those that waited too long.

    Nobody knows whether a dead worker's calls were charged, so its reservation counts as spent: the budget
    must hold even when workers die again and again.
    """
    project.spot_checks.filter(state=CheckState.LEASED, leased_until__lt=now).update(
        state=CheckState.PENDING,
        lease_token="",
        leased_until=None,
        cost_nanos=F("cost_nanos") + F("reserved_nanos"),
        reserved_nanos=0,
    )
    project.spot_checks.filter(state=CheckState.PENDING, sampled_at__lt=now - PATIENCE).update(
        state=CheckState.FAILED,
        finished_at=now,
        error_message="The daily budget did not reach this answer within 48 hours. Raise it, or sample less.",
    )


def store_reask(
    *,
    check: SpotCheck,
    number: int,
    request_id: str,
    output: str,
    agreement: float,
    cost_nanos: int,
    reserved_nanos: int,
    now: datetime,
) -> None:
    """Keeps an answer that was paid for; called before its permit is settled."""
    with transaction.atomic():
        Reask.objects.get_or_create(
            spot_check=check,
            number=number,
            defaults={
                "request_id": request_id,
                "output": output,
                "agreement": agreement,
                "cost_nanos": cost_nanos,
                "at": now,
            },
        )
        _book(check, cost_nanos, reserved_nanos)


def store_judgement(
    *,
    check: SpotCheck,
    supported: bool | None,
    judge_label: str,
    explanation: str,
    findings: Sequence[Mapping[str, object]],
    cost_nanos: int,
    reserved_nanos: int,
) -> None:
    """Keeps the judge's verdict, or that it abstained (None), so that it is not paid for twice."""
    check.supported, check.judge_label = supported, judge_label
    check.explanation, check.findings = explanation, list(findings)
    with transaction.atomic():
        check.save(update_fields=["supported", "judge_label", "explanation", "findings"])
        _book(check, cost_nanos, reserved_nanos)


def _book(check: SpotCheck, cost_nanos: int, reserved_nanos: int) -> None:
    """A call's reservation becomes its cost. In the database, where the check's other calls book as well."""
    SpotCheck.objects.filter(pk=check.pk).update(
        cost_nanos=F("cost_nanos") + cost_nanos,
        reserved_nanos=Greatest(F("reserved_nanos") - reserved_nanos, 0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a check ended. ``error`` names what could not be done, in plain words; empty when all was."""

    unsupported_details: int | None
    findings: Sequence[Mapping[str, object]]
    explanation: str
    error: str = ""


@transaction.atomic
def finish_check(*, check: SpotCheck, token: str, outcome: Outcome, now: datetime) -> bool:
    """Ends a check and opens its review item where it was drawn for one or anything was found.

    False when the lease passed to another worker, which then ends it.
    """
    agreements = list(check.reasks.values_list("agreement", flat=True))
    consistency = fmean(agreements) if agreements else None
    ended = SpotCheck.objects.filter(pk=check.pk, lease_token=token, state=CheckState.LEASED).update(
        state=CheckState.FAILED if outcome.error else CheckState.DONE,
        lease_token="",
        leased_until=None,
        reserved_nanos=0,
        consistency=consistency,
        consistent=None if consistency is None else consistency >= CONSISTENT_FROM,
        unsupported_details=outcome.unsupported_details,
        findings=list(outcome.findings),
        explanation=outcome.explanation,
        error_message=outcome.error[:500],
        finished_at=now,
    )
    if not ended:
        return False
    check.refresh_from_db()
    if check.flagged or check.drawn_for_review:
        _open_review(check, check.answer)
    return True


def _open_review(check: SpotCheck, answer: LoggedAnswer) -> None:
    """Drawn items come first: they are few, and only they give the unbiased rate of docs/reviews.md."""
    drawn = check.drawn_for_review
    check.review_item = open_item(
        project=check.project,
        kind=REVIEW_KIND,
        object_id=str(check.pk),
        question=answer.question,
        source=answer.source,
        output=answer.output,
        findings=check.findings,
        deployment_id=answer.deployment_id,
        prompt_hash=answer.prompt_hash,
        stratum=answer.stratum,
        stream=Stream.RANDOM if drawn else Stream.RISK,
        inclusion_probability=check.inclusion_probability * REVIEW_SHARE if drawn else 1.0,
        priority=1 if drawn else 0,
        simulated=answer.simulated,
    )
    check.save(update_fields=["review_item"])


@transaction.atomic
def give_back(*, check: SpotCheck, token: str) -> None:
    """Puts a check back to wait: our own limits had no room for a call of it."""
    SpotCheck.objects.filter(pk=check.pk, lease_token=token, state=CheckState.LEASED).update(
        state=CheckState.PENDING, lease_token="", leased_until=None, reserved_nanos=0
    )

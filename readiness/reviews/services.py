"""Writes of the review queue. Every lock is a conditional update: of two people with one item, one wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from django.db import transaction
from django.db.models import Q, QuerySet

from readiness.accounts.models import User
from readiness.projects.models import Project
from readiness.reviews.models import Decision, ItemState, ReviewItem, Skip, Stream, Verdict

LEASE: Final = timedelta(seconds=300)
"""How long an item is one reviewer's alone; renewed while they are active."""

UNDO_TIME: Final = timedelta(seconds=60)
"""How long a reviewer may take their own verdict back."""

STATE_AFTER: Final = {
    Verdict.APPROVE: ItemState.APPROVED,
    Verdict.REJECT: ItemState.REJECTED,
    Verdict.CORRECT: ItemState.CORRECTED,
}


class LeaseLostError(Exception):
    """The item is no longer this reviewer's: the lease passed on, or somebody decided."""


class UndoRefusedError(Exception):
    """The verdict cannot be taken back; ``str(error)`` says why in plain words."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An item that is one reviewer's alone until ``until``. The token is the proof."""

    item: ReviewItem
    token: str
    until: datetime


def open_item(
    *,
    project: Project,
    kind: str,
    object_id: str,
    question: str,
    output: str,
    source: str = "",
    findings: Sequence[Mapping[str, object]] = (),
    deployment_id: int | None = None,
    prompt_hash: str = "",
    stratum: str = "",
    stream: Stream = Stream.RISK,
    inclusion_probability: float = 1.0,
    priority: int = 0,
    simulated: bool = False,
) -> ReviewItem:
    """Puts a snapshot of an answer into the queue, once: a second call for the object returns its item."""
    item, _ = ReviewItem.objects.get_or_create(
        project=project,
        kind=kind,
        object_id=object_id,
        defaults={
            "question": question,
            "output": output,
            "source": source,
            "findings": list(findings),
            "deployment_id": deployment_id,
            "prompt_hash": prompt_hash,
            "stratum": stratum,
            "stream": stream,
            "inclusion_probability": inclusion_probability,
            "priority": priority,
            "simulated": simulated,
        },
    )
    return item


def free_items(project: Project, reviewer: User, now: datetime) -> QuerySet[ReviewItem]:
    """Waiting items that nobody holds and that the reviewer has not skipped, in the queue's order."""
    unheld = Q(leased_until=None) | Q(leased_until__lte=now)
    waiting = project.review_items.filter(unheld, state=ItemState.WAITING)
    return waiting.exclude(skips__reviewer=reviewer)


@transaction.atomic
def claim_next(*, project: Project, reviewer: User, now: datetime) -> Lease | None:
    """The item that the reviewer holds already, else the next free one; None when there is none.

    PostgreSQL passes over rows that another claim has locked; SQLite lets one writer in at a time.
    """
    # Two tabs of one reviewer queue up here, so that they get the same item.
    User.objects.select_for_update(no_key=True).get(pk=reviewer.pk)
    held = project.review_items.filter(
        state=ItemState.WAITING, leased_by=reviewer, leased_until__gt=now
    ).first()
    if held is not None:
        held.leased_until = now + LEASE
        held.save(update_fields=["leased_until"])
        return Lease(held, held.lease_token, held.leased_until)
    item = free_items(project, reviewer, now).select_for_update(skip_locked=True, of=("self",)).first()
    return None if item is None else _lease(item, reviewer, now)


def _lease(item: ReviewItem, reviewer: User, now: datetime) -> Lease:
    item.leased_by, item.lease_token = reviewer, uuid4().hex
    item.leased_at, item.leased_until = now, now + LEASE
    item.save(update_fields=["leased_by", "lease_token", "leased_at", "leased_until"])
    return Lease(item, item.lease_token, item.leased_until)


def _held(item: ReviewItem, token: str, reviewer: User) -> QuerySet[ReviewItem]:
    """The item, if the token still opens it. An expired lease that nobody took over does."""
    if not token:
        raise LeaseLostError
    return ReviewItem.objects.filter(
        pk=item.pk, lease_token=token, leased_by=reviewer, state=ItemState.WAITING
    )


def renew(*, item: ReviewItem, token: str, reviewer: User, now: datetime) -> datetime:
    """Extends the lease of its holder and returns its new end. Raises LeaseLostError."""
    until = now + LEASE
    if not _held(item, token, reviewer).update(leased_until=until):
        raise LeaseLostError
    return until


@transaction.atomic
def decide(
    *,
    item: ReviewItem,
    token: str,
    reviewer: User,
    verdict: Verdict,
    now: datetime,
    reason: str = "",
    note: str = "",
    corrected_output: str = "",
) -> Decision:
    """Writes the verdict and ends the lease. Raises LeaseLostError when the item is not the reviewer's."""
    leased_at = _held(item, token, reviewer).values_list("leased_at", flat=True).first()
    taken = _held(item, token, reviewer).update(
        state=STATE_AFTER[verdict], decided_at=now, lease_token="", leased_by=None, leased_until=None
    )
    if not taken:
        raise LeaseLostError
    return Decision.objects.create(
        item=item,
        reviewer=reviewer,
        reviewer_label=reviewer.username,
        verdict=verdict,
        reason=reason,
        note=note,
        corrected_output=corrected_output,
        seconds=max(0, round((now - (leased_at or now)).total_seconds())),
        at=now,
    )


@transaction.atomic
def skip(*, item: ReviewItem, token: str, reviewer: User, now: datetime) -> None:
    """Gives the item back for others. Raises LeaseLostError when the reviewer did not hold it."""
    if not _held(item, token, reviewer).update(lease_token="", leased_by=None, leased_until=None):
        raise LeaseLostError
    Skip.objects.get_or_create(item=item, reviewer=reviewer, defaults={"at": now})


def restore_skipped(*, project: Project, reviewer: User) -> int:
    """Offers the reviewer what they skipped once more; returns how many items."""
    skipped = Skip.objects.filter(item__project=project, reviewer=reviewer)
    return skipped.filter(item__state=ItemState.WAITING).delete()[0]


@transaction.atomic
def undo(*, decision: Decision, reviewer: User, now: datetime) -> Lease:
    """Takes back one's own verdict of the last minute: a row that supersedes it, and the item leased again.

    Raises UndoRefusedError.
    """
    # Locked, so that a second undo waits and then finds the row of the first.
    decision = Decision.objects.select_for_update(of=("self",)).select_related("item").get(pk=decision.pk)
    if decision.reviewer_id != reviewer.pk or decision.verdict == Verdict.UNDO:
        raise UndoRefusedError("Only your own verdict can be taken back.")
    if Decision.objects.filter(supersedes=decision).exists():
        raise UndoRefusedError("This verdict was taken back already.")
    if now - decision.at > UNDO_TIME:
        raise UndoRefusedError(
            f"A verdict can be taken back for {UNDO_TIME.seconds} seconds; this one is older."
        )
    Decision.objects.create(
        item=decision.item,
        reviewer=reviewer,
        reviewer_label=reviewer.username,
        verdict=Verdict.UNDO,
        seconds=0,
        supersedes=decision,
        at=now,
    )
    _release_others(decision.item, reviewer)
    decision.item.state, decision.item.decided_at = ItemState.WAITING, None
    decision.item.save(update_fields=["state", "decided_at"])
    return _lease(decision.item, reviewer, now)


def _release_others(item: ReviewItem, reviewer: User) -> None:
    """A reviewer holds one item at a time: the one that came after goes back to the queue."""
    others = item.project.review_items.filter(state=ItemState.WAITING, leased_by=reviewer)
    others.update(lease_token="", leased_by=None, leased_until=None)

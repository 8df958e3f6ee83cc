"""What the pages of the queue show: one builder for page and fragment."""

from datetime import datetime
from typing import Any

from readiness.accounts.models import User
from readiness.projects.models import Project
from readiness.reviews.forms import VerdictForm
from readiness.reviews.keys import KEYS, REASON_KEYS
from readiness.reviews.marking import evidence_spans, finding_words, mark_spans
from readiness.reviews.models import ItemState, ReviewItem
from readiness.reviews.queries import items_of, queue_counts, recent_decisions, undoable
from readiness.reviews.services import Lease, claim_next

RECENT = 50
"""Own verdicts that a reviewer can step back through."""
WAITING_SHOWN = 25


def queue_context(
    project: Project,
    user: User,
    now: datetime,
    *,
    reviews: bool,
    back: int = 0,
    form: VerdictForm | None = None,
) -> dict[str, Any]:
    """The queue as one person sees it: with ``reviews`` the item that it leases to them, else what waits.

    ``back`` counts the person's verdicts from the latest, 1; then no lease is taken.
    """
    context: dict[str, Any] = {"reviews": reviews, "keys": KEYS, "reason_keys": REASON_KEYS}
    if not reviews:
        waiting = items_of(project, state=ItemState.WAITING)[:WAITING_SHOWN]
        return context | {"counts": queue_counts(project, user, now), "waiting": waiting}
    recent = list(recent_decisions(project, user)[:RECENT])
    back = min(back, len(recent))
    context |= {
        "back": back,
        "older": back + 1 if back < len(recent) else None,
        "newer": back - 1 if back else None,
        "undo": undoable(project, user, now),
    }
    if back:
        shown = recent[back - 1]
        return context | marked(shown.item) | {"shown": shown, "counts": queue_counts(project, user, now)}
    lease = claim_next(project=project, reviewer=user, now=now)
    context["counts"] = queue_counts(project, user, now)  # after the claim, which changes them
    return context if lease is None else context | _leased(lease, now, form)


def _leased(lease: Lease, now: datetime, form: VerdictForm | None) -> dict[str, Any]:
    context = marked(lease.item) | lease_context(lease.item, lease.token, lease.until, now)
    # Words typed for an item that has meanwhile become another are not put under that one.
    return context | {"form": form if form and form.item == lease.item else None}


def lease_context(item: ReviewItem, token: str, until: datetime | None, now: datetime) -> dict[str, Any]:
    """The countdown of a lease; ``until`` is None when it was lost."""
    left = None if until is None else max(0, round((until - now).total_seconds()))
    return {"item": item, "token": token, "until": until, "seconds_left": left}


def marked(item: ReviewItem) -> dict[str, Any]:
    """An item with the marks in its source and its answer."""
    return {
        "item": item,
        "answer": mark_spans(item.output, item.findings),
        "source": mark_spans(item.source, evidence_spans(item.source, item.output, item.findings)),
        "findings": [(finding.get("text", ""), finding_words(finding)) for finding in item.findings],
    }


def item_context(project: Project, item: ReviewItem) -> dict[str, Any]:
    """One item with its whole history."""
    decisions = item.decisions.select_related("supersedes", "superseded_by")
    return marked(item) | {"project": project, "decisions": decisions}

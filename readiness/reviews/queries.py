"""Reads of the review queue, for its pages and as evidence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.db.models import Count, Prefetch, Q, QuerySet

from readiness.accounts.models import User
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.reviews.models import Decision, ItemState, ReviewItem, Stream
from readiness.reviews.services import UNDO_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """Why the queue looks as it does to one reviewer."""

    waiting: int
    leased_by_others: int
    skipped_by_you: int
    done_today: int
    """Standing verdicts of this reviewer since midnight UTC."""


def queue_counts(project: Project, reviewer: User, now: datetime) -> QueueCounts:
    """Counts of the project's queue; ``waiting`` includes what others hold or the reviewer skipped."""
    waiting = project.review_items.filter(state=ItemState.WAITING)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    done = Decision.objects.standing().filter(item__project=project, reviewer=reviewer, at__gte=midnight)
    return QueueCounts(
        waiting=waiting.count(),
        leased_by_others=waiting.filter(leased_until__gt=now).exclude(leased_by=reviewer).count(),
        skipped_by_you=waiting.filter(skips__reviewer=reviewer).count(),
        done_today=done.count(),
    )


def waiting_count(project: Project) -> int:
    """Items that wait for a verdict, for the navigation's mark."""
    return project.review_items.filter(state=ItemState.WAITING).count()


def undoable(project: Project, reviewer: User, now: datetime) -> Decision | None:
    """The reviewer's last verdict, while it can still be taken back."""
    last = recent_decisions(project, reviewer).first()
    return last if last is not None and now - last.at <= UNDO_TIME else None


def recent_decisions(project: Project, reviewer: User) -> QuerySet[Decision]:
    """The reviewer's standing verdicts, newest first, with their items."""
    mine = Decision.objects.standing().filter(item__project=project, reviewer=reviewer)
    return mine.select_related("item")


def items_of(project: Project, *, state: str = "", stream: str = "", text: str = "") -> QuerySet[ReviewItem]:
    """The project's items, newest first, each with its standing verdicts in ``verdicts``."""
    items = project.review_items.order_by("-created_at", "-id")
    if state:
        items = items.filter(state=state)
    if stream:
        items = items.filter(stream=stream)
    if text:
        items = items.filter(Q(question__icontains=text) | Q(output__icontains=text))
    standing = Prefetch("decisions", queryset=Decision.objects.standing(), to_attr="verdicts")
    return items.prefetch_related(standing)


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumDecisions:
    """What people decided in one stratum. Counts of items."""

    stratum: str
    items: int
    approved: int
    rejected: int
    corrected: int

    @property
    def decided(self) -> int:
        return self.approved + self.rejected + self.corrected


def decisions_by_stratum(
    project: Project,
    deployment: Deployment | None,
    prompt_hash: str,
    *,
    since: datetime | None = None,
    stream: Stream = Stream.RANDOM,
) -> list[StratumDecisions]:
    """Items and verdicts of one model and prompt version by stratum, those without any verdict included.

    Only the random stream gives unbiased rates; ``since`` is the moment the items were opened.
    """
    items = project.review_items.filter(deployment=deployment, prompt_hash=prompt_hash, stream=stream)
    if since:
        items = items.filter(created_at__gte=since)
    rows = (
        items.exclude(state=ItemState.WITHDRAWN)
        .values("stratum")
        .annotate(
            items=Count("id"),
            approved=Count("id", filter=Q(state=ItemState.APPROVED)),
            rejected=Count("id", filter=Q(state=ItemState.REJECTED)),
            corrected=Count("id", filter=Q(state=ItemState.CORRECTED)),
        )
        .order_by("stratum")
    )
    return [StratumDecisions(**row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diligence:
    """Whether people took the time to read."""

    decisions: int
    median_seconds: float | None
    fastest_per_minute: float | None
    """The largest number of verdicts that one reviewer gave within any 60 seconds."""


def diligence(
    project: Project, deployment: Deployment | None, prompt_hash: str, *, since: datetime | None = None
) -> Diligence:
    """Time per verdict of one model and prompt version, both streams; None without a verdict."""
    decisions = Decision.objects.standing().filter(
        item__project=project, item__deployment=deployment, item__prompt_hash=prompt_hash
    )
    if since:
        decisions = decisions.filter(at__gte=since)
    rows = list(decisions.order_by("at").values_list("reviewer_label", "at", "seconds"))
    if not rows:
        return Diligence(decisions=0, median_seconds=None, fastest_per_minute=None)
    moments: dict[str, list[datetime]] = {}
    for reviewer, at, _ in rows:
        moments.setdefault(reviewer, []).append(at)
    return Diligence(
        decisions=len(rows),
        median_seconds=float(median(seconds for _, _, seconds in rows)),
        fastest_per_minute=float(max(map(busiest_minute, moments.values()))),
    )


def busiest_minute(moments: Sequence[datetime]) -> int:
    """The most of the ascending moments that lie within any 60 seconds."""
    start = best = 0
    for end, moment in enumerate(moments):
        while moment - moments[start] >= timedelta(minutes=1):
            start += 1
        best = max(best, end - start + 1)
    return best


EXPORT = {
    "id": "id",
    "at": "at",
    "item_id": "item_id",
    "reviewer": "reviewer_label",
    "verdict": "verdict",
    "reason": "reason",
    "note": "note",
    "corrected_output": "corrected_output",
    "seconds": "seconds",
    "supersedes_id": "supersedes_id",
    "undone_by_id": "superseded_by__id",
    "kind": "item__kind",
    "object_id": "item__object_id",
    "model": "item__deployment__model",
    "prompt_hash": "item__prompt_hash",
    "stratum": "item__stratum",
    "stream": "item__stream",
    "inclusion_probability": "item__inclusion_probability",
    "simulated": "item__simulated",
    "question": "item__question",
    "source": "item__source",
    "output": "item__output",
}
"""Columns of the export in their order, and where each comes from."""


def export_rows(project: Project) -> Iterator[dict[str, object]]:
    """Every decision of the project, undone ones and undos included, oldest first; in constant memory."""
    decisions = Decision.objects.filter(item__project=project).order_by("at", "id")
    for row in decisions.values_list(*EXPORT.values()).iterator(chunk_size=500):
        yield dict(zip(EXPORT, row, strict=True))

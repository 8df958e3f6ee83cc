"""The human-review queue: items, leases and append-only decisions."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from readiness.projects.models import Project
from readiness.providers.models import Deployment


class Stream(models.TextChoices):
    """Why an item is in the queue. Rates are computed from the random stream only."""

    RANDOM = "random", "Random sample"
    RISK = "risk", "Flagged"


class ItemState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    CORRECTED = "corrected", "Corrected"
    WITHDRAWN = "withdrawn", "Withdrawn"


class ReviewItem(models.Model):
    """A snapshot of one answer that a person must decide on."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="review_items")
    kind = models.CharField(max_length=30)
    """What it came from, e.g. ``spot_check`` or ``cell``; opaque together with ``object_id``."""
    object_id = models.CharField(max_length=64)
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.SET_NULL, related_name="+")
    prompt_hash = models.CharField(max_length=64, blank=True)
    question = models.TextField()
    source = models.TextField(blank=True)
    output = models.TextField()
    findings = models.JSONField(default=list, blank=True)
    """Flagged stretches: ``[{"start", "end", "kind", "text", "scorer"}]`` in characters of output."""
    stratum = models.CharField(max_length=60, blank=True)
    stream = models.CharField(max_length=10, choices=Stream, default=Stream.RISK)
    inclusion_probability = models.FloatField(default=1.0)
    priority = models.SmallIntegerField(default=0)
    simulated = models.BooleanField(default=False)
    state = models.CharField(max_length=12, choices=ItemState, default=ItemState.WAITING)
    leased_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    lease_token = models.CharField(max_length=32, blank=True)
    leased_at = models.DateTimeField(null=True)
    """When the present lease began; renewing keeps it."""
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-priority", "created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "kind", "object_id"], name="one_review_item_per_object"
            )
        ]
        indexes = [
            models.Index(
                fields=["project", "-priority", "created_at"],
                name="review_waiting",
                condition=Q(state=ItemState.WAITING),
            )
        ]

    def __str__(self) -> str:
        return self.question[:60]


class Verdict(models.TextChoices):
    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"
    CORRECT = "correct", "Correct"
    UNDO = "undo", "Undo"


class Reason(models.TextChoices):
    """Why an answer is rejected; the order is that of the digit keys."""

    CONTRADICTS = "contradicts", "Contradicts the source"
    NOT_IN_SOURCE = "not_in_source", "Says what the source does not"
    MISSES_POINT = "misses_point", "Does not answer the question"
    INCOMPLETE = "incomplete", "Leaves out what matters"
    UNCLEAR = "unclear", "Unclear or badly written"
    HARMFUL = "harmful", "Harmful or toxic"
    PRIVATE = "private", "Reveals private data"
    FORMAT = "format", "Wrong language or format"
    OTHER = "other", "Something else (say what)"


class DecisionQuerySet(models.QuerySet["Decision"]):
    """Words for sets of decisions."""

    def standing(self) -> Self:
        """Verdicts that count: neither undone nor an undo themselves."""
        return self.exclude(verdict=Verdict.UNDO).filter(superseded_by=None)


class Decision(models.Model):
    """One reviewer's verdict. Append-only: an undo is a row of its own that names what it supersedes."""

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="decisions")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    reviewer_label = models.CharField(max_length=150)
    verdict = models.CharField(max_length=10, choices=Verdict)
    reason = models.CharField(max_length=40, choices=Reason, blank=True)
    note = models.TextField(blank=True)
    corrected_output = models.TextField(blank=True)
    seconds = models.PositiveIntegerField()
    """From the moment the item was leased to the verdict, by the server's clock."""
    supersedes = models.OneToOneField(
        "self", null=True, on_delete=models.RESTRICT, related_name="superseded_by"
    )
    at = models.DateTimeField(default=timezone.now)

    objects = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.reviewer_label}: {self.verdict}"


class Skip(models.Model):
    """A reviewer passed an item over: it is offered to others, and to them again only on request."""

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="skips")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "reviewer"], name="one_skip_per_reviewer_and_item")
        ]

    def __str__(self) -> str:
        return f"{self.reviewer} skipped {self.item_id}"

"""Previews of changes of policy before they are put into force, and reports of drills."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from readiness.projects.models import Project


class PreviewState(models.TextChoices):
    """How far a preview is."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class PreviewSource(models.TextChoices):
    """Where the demand comes from."""

    RECORDS = "records", "The last day's requests"
    TRACE = "trace", "A trace file"


LOST_AFTER = timedelta(minutes=1)
"""A running preview says many times a minute that it goes on; after this long without a word it does not."""

PREVIEW_STARTS_WITHIN = timedelta(hours=1)
"""A preview that waits for longer is in no queue any more: what it waits behind takes minutes."""

DRILL_STARTS_WITHIN = timedelta(minutes=30)
"""The same for a drill, which holds up every other. Benchmarks in its queue take up to 15 minutes each."""


class Preview(models.Model):
    """One replay of demand, before and after a change that somebody typed and has not saved."""

    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    subject = models.JSONField()
    """What is changed: ``preview_subjects.Subject`` as JSON."""
    label = models.CharField(max_length=400)
    """The subject's name as it was then."""
    before = models.JSONField(encoder=DjangoJSONEncoder)
    """Column → value as it was saved; empty for a row that did not exist."""
    after = models.JSONField(encoder=DjangoJSONEncoder)
    source = models.CharField(max_length=10, choices=PreviewSource)
    trace = models.JSONField(null=True)
    """``preview_traces.Trace`` as JSON until it was replayed."""
    trace_label = models.CharField(max_length=300, blank=True)
    """File and deployment of a trace."""
    state = models.CharField(max_length=10, choices=PreviewState, default=PreviewState.QUEUED)
    trouble = models.TextField(blank=True)
    """Plain words on why it failed."""
    done = models.PositiveIntegerField(default=0)
    """Requests replayed so far, before and after together."""
    total = models.PositiveIntegerField(default=0)
    beat_at = models.DateTimeField(null=True)
    """When the worker was last heard."""
    finished_at = models.DateTimeField(null=True)
    result = models.JSONField(null=True)
    """``preview_results.Result`` as JSON."""

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=PreviewState.values), name="preview_known_state"
            ),
        ]

    def __str__(self) -> str:
        return f"Preview of {self.label}"

    @property
    def is_active(self) -> bool:
        return self.state in (PreviewState.QUEUED, PreviewState.RUNNING)

    def is_lost(self, now: datetime) -> bool:
        """Whether its worker ended without a word, or its job was lost before a worker took it."""
        if self.state == PreviewState.QUEUED:
            return now - self.created_at > PREVIEW_STARTS_WITHIN
        return bool(self.state == PreviewState.RUNNING and self.beat_at and now - self.beat_at > LOST_AFTER)


class DrillState(models.TextChoices):
    """How far a drill is; what came of one that is done, its findings say."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Could not be held"
    CANCELLED = "cancelled", "Cancelled"


class DrillReport(models.Model):
    """One drill: when it was held, on which policy, and what came of it."""

    name = models.CharField(max_length=40)
    """Of the catalogue, which may have forgotten it since."""
    project = models.ForeignKey(Project, null=True, on_delete=models.CASCADE, related_name="drill_reports")
    """Whose checklist it counts for; None for every project's."""
    quick = models.BooleanField(default=False)
    """A rehearsal of a few seconds, which is no evidence."""
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    """None for one that was started from the command line."""
    state = models.CharField(max_length=10, choices=DrillState, default=DrillState.QUEUED)
    active = models.BooleanField(null=True, default=True, unique=True)
    """True while it waits or runs, else null: so the database lets one drill of the whole site be active."""
    trouble = models.TextField(blank=True)
    """Plain words on why it could not be held."""
    started_at = models.DateTimeField(null=True)
    beat_at = models.DateTimeField(null=True)
    """When the process that holds it was last heard."""
    finished_at = models.DateTimeField(null=True)
    tiers = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    """The tiers as they were copied for it, with its project's overrides: a list of columns."""
    moments = models.JSONField(default=list)
    """The time line: ``findings.Moment`` rows."""
    findings = models.JSONField(default=list)
    """``findings.Finding`` rows; empty until it is done."""

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["name", "-created_at"], name="drill_last_of_name")]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=DrillState.values), name="drill_known_state"),
            models.CheckConstraint(
                condition=models.Q(active=True, state__in=("queued", "running"))
                | models.Q(active=None, state__in=("done", "failed", "cancelled")),
                name="drill_active_until_it_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"Drill {self.name}"

    def is_lost(self, now: datetime) -> bool:
        """Whether the process that holds it ended without a word, or its job was lost before one took it."""
        if self.state == DrillState.QUEUED:
            return now - self.created_at > DRILL_STARTS_WITHIN
        return bool(self.state == DrillState.RUNNING and self.beat_at and now - self.beat_at > LOST_AFTER)

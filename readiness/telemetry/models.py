"""Request records (one per attempt) and the rollups that charts read."""

from django.db import models

from readiness.projects.models import Project
from readiness.providers.models import Deployment


class RequestRecord(models.Model):
    """One attempt at a provider, or one request that never reached it; written only by the recorder.

    Column meanings and units: ``readiness.lib.events.UsageEvent``. Columns that came later have defaults in
    the database too: until a deploy is over, a recorder of the version before still writes rows.
    """

    event_id = models.CharField(max_length=64, unique=True)
    request_id = models.CharField(max_length=64, db_index=True)
    version = models.PositiveSmallIntegerField(default=1)
    at = models.DateTimeField()
    attempt = models.PositiveSmallIntegerField(default=1)
    final = models.BooleanField(default=True)
    outcome = models.CharField(max_length=12)
    project = models.ForeignKey(Project, null=True, on_delete=models.CASCADE, related_name="request_records")
    deployment = models.ForeignKey(
        Deployment, null=True, on_delete=models.SET_NULL, related_name="request_records"
    )
    tier = models.CharField(max_length=40, blank=True)
    tenant = models.CharField(max_length=64, blank=True)
    end_user = models.CharField(max_length=200, blank=True, default="", db_default="")
    api_key = models.CharField(max_length=64, blank=True, default="", db_default="")
    purpose = models.CharField(max_length=20)
    run_id = models.CharField(max_length=40, blank=True)
    prompt_hash = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=200, blank=True)
    http_status = models.PositiveSmallIntegerField(default=0)
    error_class = models.CharField(max_length=40, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0)
    cost_nanos = models.BigIntegerField(default=0)
    queue_ms = models.PositiveIntegerField(default=0)
    queued = models.BooleanField(default=False)
    predicted_ms = models.BigIntegerField(default=-1, db_default=-1)
    refused_by = models.TextField(blank=True, default="", db_default="")
    retry_after_ms = models.PositiveBigIntegerField(default=0, db_default=0)
    """Reaches to the end of a month, which is more milliseconds than an integer column holds."""
    provider_ms = models.IntegerField(default=-1)
    ttft_ms = models.IntegerField(default=-1)
    simulated = models.BooleanField(default=False)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["project", "-at"], name="record_by_project"),
            # Of all projects: what a preview replays.
            models.Index(fields=["-at"], name="record_newest"),
            models.Index(fields=["run_id"], name="record_by_run", condition=~models.Q(run_id="")),
            # With the cost, so that a sum is read from the index alone.
            models.Index(
                fields=["api_key", "at", "cost_nanos"],
                name="record_cost_by_key",
                condition=~models.Q(api_key=""),
            ),
            models.Index(
                fields=["project", "end_user", "at", "cost_nanos"],
                name="record_cost_by_end_user",
                condition=~models.Q(end_user=""),
            ),
            # Few of all: those that the limits page reads.
            models.Index(
                fields=["project", "-at"],
                name="record_refused",
                condition=models.Q(outcome="refused") | models.Q(outcome="expired"),
            ),
            models.Index(
                fields=["project", "deployment", "-at"],
                name="record_predicted",
                condition=models.Q(predicted_ms__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} {self.outcome}"


class Grain(models.TextChoices):
    """Width of a rollup's window. ``tallies.KEPT`` says how long its rows are kept."""

    MINUTE = "minute", "Minute"
    QUARTER = "quarter", "Quarter of an hour"
    HOUR = "hour", "Hour"


class Rollup(models.Model):
    """Counts, sums and mergeable latency histograms of one window for one key."""

    grain = models.CharField(max_length=7, choices=Grain)
    start = models.DateTimeField()
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rollups")
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.CASCADE, related_name="rollups")
    tier = models.CharField(max_length=40, blank=True)
    purpose = models.CharField(max_length=20)
    requests = models.PositiveIntegerField(default=0)
    """Requests that ended in the window (final attempts, orphans, refusals)."""
    attempts = models.PositiveIntegerField(default=0)
    """Attempts that reached the provider."""
    delivered = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    orphaned = models.PositiveIntegerField(default=0)
    upstream_429 = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    """Requests that our own limits refused or let expire: a 429 from us."""
    absorbed = models.PositiveIntegerField(default=0)
    """Requests that waited in the queue instead of earning a 429."""
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost_nanos = models.BigIntegerField(default=0)
    latency = models.JSONField(default=dict)
    """Histogram of provider milliseconds (``readiness.lib.histogram``)."""
    queue_wait = models.JSONField(default=dict)
    ttft = models.JSONField(default=dict)

    class Meta:
        ordering = ["start"]
        constraints = [
            # Two of them, because SQLite cannot take an absent deployment as equal to another.
            models.UniqueConstraint(
                fields=["grain", "start", "project", "deployment", "tier", "purpose"],
                name="one_rollup_per_window_and_key",
            ),
            models.UniqueConstraint(
                fields=["grain", "start", "project", "tier", "purpose"],
                name="one_rollup_per_window_without_deployment",
                condition=models.Q(deployment=None),
            ),
        ]
        indexes = [models.Index(fields=["project", "grain", "start"], name="rollup_by_project")]

    def __str__(self) -> str:
        return f"{self.grain} {self.start:%Y-%m-%d %H:%M} {self.tier} {self.purpose}"

"""How upstreams stood, minute by minute: what the limits page draws and monitoring is judged by."""

from django.db import models

from readiness.providers.models import Deployment


class UpstreamSample(models.Model):
    """One deployment's queue and buckets as the sweep saw them in one minute."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="upstream_samples")
    at = models.DateTimeField()
    """Beginning of the minute. The first look in it counts."""
    waiting = models.PositiveIntegerField()
    oldest_ms = models.PositiveBigIntegerField()
    """How long the oldest request had been waiting; 0 when none was."""
    in_flight = models.PositiveIntegerField()
    places = models.PositiveIntegerField(null=True)
    """Calls in flight that were allowed; None without a limit."""
    share = models.FloatField()
    """Part of the quota that was in use, less than 1 after a cut."""
    paused = models.BooleanField()
    """Whether nothing was sent: after a 429, while its circuit was open, or for want of money."""
    levels = models.JSONField(default=dict)
    """Bucket to the part of its limit that was left, 0 to 1; ``account rpm`` is one of the account above."""
    stated = models.JSONField(default=dict, db_default={})
    """Limits per minute that the provider's headers state, by unit: Redis may forget them."""
    waiting_by_tier = models.JSONField(default=dict)
    """Tier's slug to requests that waited, its overrides included; only tiers that had any."""

    class Meta:
        ordering = ["deployment", "-at"]
        constraints = [
            # Its index serves a deployment's time line too.
            models.UniqueConstraint(fields=["deployment", "at"], name="one_upstream_sample_a_minute"),
        ]
        indexes = [models.Index(fields=["at"], name="upstream_sample_by_age")]

    def __str__(self) -> str:
        return f"{self.deployment_id} {self.at:%Y-%m-%d %H:%M}: {self.waiting} waiting"

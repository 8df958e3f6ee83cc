"""Evidence, attestations and what the project intends to ship."""

from django.conf import settings
from django.db import models

from readiness.datasets.models import DatasetVersion
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.providers.models import Deployment


class Target(models.Model):
    """What the project intends to ship: evidence must have been measured on exactly this."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="target")
    deployment = models.ForeignKey(
        Deployment, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    prompt_version = models.ForeignKey(
        PromptVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    dataset_version = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    application_version = models.CharField(max_length=64, blank=True)
    version_since = models.DateTimeField(null=True)
    """When the application version was set; reviews of answers from before it are of another release."""
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"target of {self.project}"


class Evidence(models.Model):
    """One measurement for one criterion. Append-only: the row that was stored last counts in the verdict, for
    what was measured later may be about something that is no longer going to be shipped."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="evidence")
    criterion = models.CharField(max_length=10)
    parts = models.JSONField(default=list)
    """What was measured: the shape is ``readiness.checklist.evidence.Part``."""
    method = models.CharField(max_length=80)
    """Producer's method and version, e.g. ``runs/1``."""
    abstained = models.BooleanField(default=False)
    """True when the producer ran but could not score."""
    explanation = models.CharField(max_length=500, blank=True)
    """What it was measured on, in words; why it could not be scored, where it was not."""
    fingerprint = models.JSONField(default=dict)
    """Key letter to the digest or id it was measured on."""
    link = models.CharField(max_length=300, blank=True)
    """Path of the run or report it came from."""
    simulated = models.BooleanField(default=False)
    digest = models.CharField(max_length=64)
    """Hash of what was measured; the same measurement is never stored twice in a row."""
    measured_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["project", "criterion", "-id"], name="evidence_by_criterion")]
        verbose_name_plural = "evidence"

    def __str__(self) -> str:
        return f"{self.criterion} at {self.measured_at:%Y-%m-%d %H:%M}"


class Attestation(models.Model):
    """A person vouches for a criterion, with a note, until a date. Append-only; may be withdrawn."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="attestations")
    criterion = models.CharField(max_length=10)
    note = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    by_label = models.CharField(max_length=150)
    at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    fingerprint = models.JSONField(default=dict)
    """What the project intended to ship when the person vouched, by key letter."""
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by_label = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["project", "criterion"], name="attestation_by_criterion")]

    def __str__(self) -> str:
        return f"{self.criterion} attested by {self.by_label}"


class Comment(models.Model):
    """A note in a criterion's discussion."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="criterion_comments")
    criterion = models.CharField(max_length=10)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    author_label = models.CharField(max_length=150)
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["project", "criterion"], name="comment_by_criterion")]

    def __str__(self) -> str:
        return self.text[:60]

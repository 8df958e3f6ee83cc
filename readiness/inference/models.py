"""Answers that were given in production, kept for spot-checks and reviews."""

from django.db import models

from readiness.projects.models import Project
from readiness.providers.models import Deployment


class LoggedAnswer(models.Model):
    """One production answer with the question and source it was given for; written by dispatch's caller."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="logged_answers")
    deployment = models.ForeignKey(
        Deployment, null=True, on_delete=models.SET_NULL, related_name="logged_answers"
    )
    request_id = models.CharField(max_length=64, unique=True)
    """The dispatch request that gave the answer; opaque, because records have their own retention."""
    at = models.DateTimeField()
    prompt_hash = models.CharField(max_length=64, blank=True)
    prompt_version_id = models.PositiveBigIntegerField(null=True)
    """Opaque: the prompt library lies above this floor."""
    question = models.TextField()
    source = models.TextField(blank=True)
    stratum = models.CharField(max_length=60, blank=True)
    output = models.TextField()
    simulated = models.BooleanField(default=False)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["project", "-at"], name="answer_by_project")]

    def __str__(self) -> str:
        return self.question[:60]

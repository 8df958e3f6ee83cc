"""Prompts and their immutable versions."""

from django.conf import settings
from django.db import models

from readiness.projects.models import Project


class Prompt(models.Model):
    """A named prompt; its text lives in versions."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "slug"], name="one_prompt_slug_per_project")
        ]

    def __str__(self) -> str:
        return self.name


class PromptVersion(models.Model):
    """An immutable text with its call parameters, named by the hash of both."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    system = models.TextField(blank=True)
    user = models.TextField()
    """Jinja text with the variables ``question`` and ``source``."""
    parameters = models.JSONField(default=dict, blank=True)
    """Call parameters such as ``{"temperature": 0, "max_tokens": 256}``."""
    content_hash = models.CharField(max_length=64)
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["prompt", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["prompt", "number"], name="one_version_number_per_prompt"),
            models.UniqueConstraint(fields=["prompt", "content_hash"], name="one_version_per_prompt_content"),
        ]

    def __str__(self) -> str:
        return f"{self.prompt} v{self.number}"

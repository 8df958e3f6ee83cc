"""Datasets, their frozen versions, and outputs that were recorded elsewhere."""

from django.conf import settings
from django.db import models

from readiness.projects.models import Project


class Dataset(models.Model):
    """A named collection of examples; all content is in its versions."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="datasets")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "slug"], name="one_dataset_slug_per_project")
        ]

    def __str__(self) -> str:
        return self.name


class DatasetVersion(models.Model):
    """An immutable list of examples, named by the hash of its canonical JSONL."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    example_count = models.PositiveIntegerField()
    strata = models.JSONField(default=dict)
    """Stratum name to number of examples."""
    provenance = models.CharField(max_length=300, blank=True)
    """Where it came from in words: file name and format, or the run that made it."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["dataset", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="one_version_number_per_dataset"),
            models.UniqueConstraint(fields=["dataset", "sha256"], name="one_version_per_content"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} v{self.number}"


class Example(models.Model):
    """One question with what is needed to answer and to score it."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="examples")
    uid = models.CharField(max_length=64)
    """The importer's own id, or the hash of the content: stable across versions, never a position."""
    position = models.PositiveIntegerField()
    question = models.TextField()
    source = models.TextField(blank=True)
    """Passages that the answer must rest on."""
    reference = models.TextField(blank=True)
    """The expected answer; empty where there is none."""
    stratum = models.CharField(max_length=60, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["version", "position"]
        constraints = [models.UniqueConstraint(fields=["version", "uid"], name="one_uid_per_version")]

    def __str__(self) -> str:
        return self.uid


class RecordedOutput(models.Model):
    """An answer that some model gave elsewhere, with a human label where there is one."""

    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="recorded_outputs")
    model = models.CharField(max_length=200)
    trial = models.PositiveSmallIntegerField(default=1)
    external_id = models.CharField(max_length=100, blank=True)
    text = models.TextField()
    hallucinated = models.BooleanField(null=True)
    """The human label; None where nobody labelled it."""
    spans = models.JSONField(default=list, blank=True)
    """Human-marked stretches: ``[{"start": 3, "end": 17, "kind": "..."}]`` in characters of ``text``."""
    latency_ms = models.PositiveIntegerField(null=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["example", "model", "trial"]
        constraints = [
            models.UniqueConstraint(
                fields=["example", "model", "trial"], name="one_recorded_output_per_trial"
            )
        ]
        indexes = [models.Index(fields=["model"], name="recorded_by_model")]

    def __str__(self) -> str:
        return f"{self.model} on {self.example}"

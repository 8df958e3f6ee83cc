"""Runs and their cells: the unit of work that is paid once."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from readiness.datasets.models import DatasetVersion, Example
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.providers.models import Deployment


class RunState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    BUDGET_STOPPED = "budget_stopped", "Stopped at its budget"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class CellState(models.TextChoices):
    PENDING = "pending", "Pending"
    LEASED = "leased", "In flight"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class Run(models.Model):
    """One evaluation: dataset version × deployments × prompt version × trials, scored by scorers."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="runs")
    name = models.CharField(max_length=120)
    dataset_version = models.ForeignKey(DatasetVersion, on_delete=models.RESTRICT, related_name="runs")
    prompt_version = models.ForeignKey(
        PromptVersion, null=True, blank=True, on_delete=models.RESTRICT, related_name="runs"
    )
    """None for recorded outputs: nobody knows the prompt they were given for."""
    deployments = models.ManyToManyField(Deployment, related_name="runs")
    scorers = models.JSONField(default=list)
    """Names in the scorer registry; the version that scored is kept on each score."""
    judge = models.ForeignKey(Deployment, null=True, blank=True, on_delete=models.RESTRICT, related_name="+")
    trials = models.PositiveSmallIntegerField(default=1)
    tier = models.CharField(max_length=40, default="benchmark")
    budget_nanos = models.BigIntegerField(null=True, blank=True)
    """Hard limit on model and judge spend together; None for runs that cost nothing."""
    reserved_nanos = models.BigIntegerField(default=0)
    """Worst-case cost of the cells in flight; spent + reserved never passes the budget."""
    spent_nanos = models.BigIntegerField(default=0)
    judge_spent_nanos = models.BigIntegerField(default=0)
    """The part of ``spent_nanos`` that went to the judge."""
    state = models.CharField(max_length=20, choices=RunState, default=RunState.QUEUED)
    state_reason = models.CharField(max_length=300, blank=True)
    """Plain words for a pause, stop or failure."""
    simulated = models.BooleanField(default=False)
    recorded = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.CheckConstraint(condition=Q(trials__gte=1), name="run_has_a_trial")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_over(self) -> bool:
        return self.state in {RunState.DONE, RunState.CANCELLED, RunState.FAILED}


class Cell(models.Model):
    """One example × deployment × prompt version × trial of a run: claimed by lease and paid once."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="cells")
    example = models.ForeignKey(Example, on_delete=models.RESTRICT, related_name="+")
    deployment = models.ForeignKey(Deployment, on_delete=models.RESTRICT, related_name="+")
    prompt_version = models.ForeignKey(PromptVersion, null=True, on_delete=models.RESTRICT, related_name="+")
    trial = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=CellState, default=CellState.PENDING)
    lease_token = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True)
    claims = models.PositiveSmallIntegerField(default=0)
    """How often it was claimed; more than one means that a worker died or a pause came between."""
    reserved_nanos = models.BigIntegerField(default=0)
    """Worst-case cost held back from the run's budget while the cell is in flight."""
    lost_nanos = models.BigIntegerField(default=0)
    """Counted as spent because a worker died with the cell in flight: nobody knows what was charged."""
    answered_at = models.DateTimeField(null=True)
    """Set when the answer was stored; a cell that is claimed again after that is only scored."""
    request_id = models.CharField(max_length=64, blank=True)
    output = models.TextField(blank=True)
    model_returned = models.CharField(max_length=200, blank=True)
    finish_reason = models.CharField(max_length=30, blank=True)
    error_class = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost_nanos = models.BigIntegerField(default=0)
    latency_ms = models.PositiveIntegerField(null=True)
    """Provider time of the attempt that answered, without queue wait. None where a recording has no time."""
    ttft_ms = models.PositiveIntegerField(null=True)
    queue_ms = models.PositiveIntegerField(default=0)
    human_label = models.BooleanField(null=True)
    """Recorded outputs: whether people found a hallucination; None where unlabelled."""
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["run", "id"]
        constraints = [
            # Two of them, because SQLite cannot take an absent prompt version as equal to another.
            models.UniqueConstraint(
                fields=["run", "example", "deployment", "prompt_version", "trial"], name="one_cell_per_key"
            ),
            models.UniqueConstraint(
                fields=["run", "example", "deployment", "trial"],
                name="one_cell_per_recorded_key",
                condition=Q(prompt_version=None),
            ),
        ]
        indexes = [
            # Claiming and counting look at a run's cells by state.
            models.Index(fields=["run", "state"], name="cell_by_state"),
            models.Index(
                fields=["leased_until"], name="cell_lease_expiry", condition=Q(state=CellState.LEASED)
            ),
        ]

    def __str__(self) -> str:
        return f"cell {self.pk} of {self.run_id}"


class CellScore(models.Model):
    """What one scorer said of one cell."""

    cell = models.ForeignKey(Cell, on_delete=models.CASCADE, related_name="scores")
    scorer = models.CharField(max_length=60)
    scorer_version = models.CharField(max_length=40)
    status = models.CharField(max_length=10)
    """``ok``, ``abstain`` or ``error``: an abstention is never a zero."""
    value = models.FloatField(null=True)
    label = models.CharField(max_length=40, blank=True)
    spans = models.JSONField(default=list, blank=True)
    explanation = models.TextField(blank=True)
    cost_nanos = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cell", "scorer"], name="one_score_per_scorer")]
        indexes = [models.Index(fields=["scorer"], name="score_by_scorer")]

    def __str__(self) -> str:
        return f"{self.scorer} {self.value}"

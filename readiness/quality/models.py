"""Spot-checks of production answers."""

from typing import Self

from django.db import models
from django.db.models import Q

from readiness.inference.models import LoggedAnswer
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.reviews.models import ReviewItem


class SpotCheckPolicy(models.Model):
    """How much of a project's traffic is spot-checked, by which judge, for how much money."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="spot_check_policy")
    enabled = models.BooleanField(default=True)
    daily_minimum = models.PositiveIntegerField(default=50)
    share = models.FloatField(default=0.01)
    """Share of the day's answers; the larger of this and the minimum is sampled."""
    judge = models.ForeignKey(Deployment, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    daily_budget_nanos = models.BigIntegerField(default=1_000_000_000)
    reask_count = models.PositiveSmallIntegerField(default=2)
    """How often a sampled question is asked again to measure consistency."""
    considered_until = models.BigIntegerField(default=0, editable=False)
    """Answers up to this id were offered to the sample, once."""
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "spot-check policies"

    def __str__(self) -> str:
        return f"spot-checks of {self.project}"


class CheckState(models.TextChoices):
    PENDING = "pending", "Pending"
    LEASED = "leased", "In flight"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class SpotCheckQuerySet(models.QuerySet["SpotCheck"]):
    """Words for sets of spot-checks."""

    def flagged(self) -> Self:
        """Checks that found something; the same rule as ``SpotCheck.flagged``."""
        return self.filter(Q(supported=False) | Q(consistent=False) | Q(unsupported_details__gte=1))


class SpotCheck(models.Model):
    """One sampled answer and what the checks found. Part of the random stream: its rates are unbiased."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="spot_checks")
    answer = models.OneToOneField(LoggedAnswer, on_delete=models.CASCADE, related_name="spot_check")
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.SET_NULL, related_name="+")
    prompt_hash = models.CharField(max_length=64, blank=True)
    sampled_at = models.DateTimeField()
    inclusion_probability = models.FloatField()
    drawn_for_review = models.BooleanField(default=False)
    """Drawn when it was sampled, before anything was found: a person reviews it whatever the checks find."""
    state = models.CharField(max_length=10, choices=CheckState, default=CheckState.PENDING)
    lease_token = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    """Last claim; its day is the one whose budget the check belongs to."""
    supported = models.BooleanField(null=True)
    """Factuality: whether the judge found every statement in the source; None when it abstained."""
    consistent = models.BooleanField(null=True)
    """Whether the answers to the same question, asked again, agree with this one."""
    consistency = models.FloatField(null=True)
    """Mean token F1 between this answer and the re-asked ones, 0 to 1."""
    unsupported_details = models.PositiveSmallIntegerField(null=True)
    findings = models.JSONField(default=list, blank=True)
    judge_label = models.CharField(max_length=120, blank=True)
    """Judge model and rubric version that decided ``supported``."""
    explanation = models.TextField(blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    cost_nanos = models.BigIntegerField(default=0)
    reserved_nanos = models.BigIntegerField(default=0)
    """The most that the calls still ahead can cost; cost + reserved never passes the day's budget."""
    review_item = models.OneToOneField(
        ReviewItem, null=True, on_delete=models.SET_NULL, related_name="spot_check"
    )
    finished_at = models.DateTimeField(null=True)

    objects = SpotCheckQuerySet.as_manager()

    class Meta:
        ordering = ["-sampled_at", "-id"]
        indexes = [
            models.Index(fields=["project", "-sampled_at"], name="spot_check_by_project"),
            models.Index(fields=["project", "state"], name="spot_check_by_state"),
            # The day's spend is summed at every claim.
            models.Index(fields=["project", "started_at"], name="spot_check_by_start"),
        ]

    def __str__(self) -> str:
        return f"spot-check {self.pk}"

    @property
    def flagged(self) -> bool:
        """Whether any check found something: worth a person's look, not proof of a fault."""
        return self.supported is False or self.consistent is False or bool(self.unsupported_details)


class Reask(models.Model):
    """An answer to a spot-checked question that was asked again; kept before its permit is settled."""

    spot_check = models.ForeignKey(SpotCheck, on_delete=models.CASCADE, related_name="reasks")
    number = models.PositiveSmallIntegerField()
    request_id = models.CharField(max_length=64)
    output = models.TextField()
    agreement = models.FloatField()
    """Token F1 with the production answer, 0 to 1."""
    cost_nanos = models.BigIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        ordering = ["spot_check", "number"]
        constraints = [models.UniqueConstraint(fields=["spot_check", "number"], name="one_reask_per_number")]

    def __str__(self) -> str:
        return f"re-ask {self.number} of spot-check {self.spot_check_id}"

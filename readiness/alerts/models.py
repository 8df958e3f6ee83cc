"""Alerts: what is wrong since when, and who has seen it."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Case, Q, Value, When

from readiness.projects.models import Project


class Severity(models.TextChoices):
    """How much an alert asks for, least first."""

    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class AlertQuerySet(models.QuerySet["Alert"]):
    """Words for sets of alerts."""

    def open(self) -> Self:
        """Alerts whose cause lasts."""
        return self.filter(resolved_at=None)

    def past(self) -> Self:
        """Alerts whose cause is gone."""
        return self.filter(resolved_at__isnull=False)

    def seen_in(self, project: Project) -> Self:
        """The project's own alerts and those of the whole site."""
        return self.filter(Q(project=project) | Q(project=None))

    def worst_first(self) -> Self:
        """By severity; among equals the one that was raised last."""
        ranks = [When(severity=severity, then=Value(severity.rank)) for severity in Severity]
        return self.order_by(Case(*ranks).desc(), "-first_at", "-pk")


class Alert(models.Model):
    """One cause from its beginning to its end. While it is open, its key is its own."""

    key = models.CharField(max_length=300)
    """What it is about, as its producer names it: ``out_of_credit:12``."""
    project = models.ForeignKey(Project, null=True, on_delete=models.CASCADE, related_name="alerts")
    """None for the whole site: everybody sees it in every project."""
    severity = models.CharField(max_length=8, choices=Severity)
    title = models.CharField(max_length=200)
    detail = models.TextField(blank=True)
    """Plain words on what happened and what to do."""
    link = models.CharField(max_length=500, blank=True)
    """Path of the page where it is put right; empty where there is none or each project has its own."""
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    """How often it was raised while open."""
    resolved_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-first_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(resolved_at=None), name="one_open_alert_per_key"
            ),
            models.CheckConstraint(condition=Q(severity__in=Severity.values), name="known_severity"),
        ]
        indexes = [
            models.Index(fields=["project"], condition=Q(resolved_at=None), name="open_alert_by_project"),
            models.Index(fields=["project", "-resolved_at"], name="past_alert_by_project"),
        ]

    def __str__(self) -> str:
        return f"{self.severity}: {self.title}"

    @property
    def is_of_site(self) -> bool:
        return self.project_id is None

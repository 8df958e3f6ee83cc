"""Reads of alerts."""

from django.db.models import QuerySet

from readiness.alerts.models import Alert, Severity
from readiness.projects.models import Project


def open_alerts(project: Project) -> QuerySet[Alert]:
    """What is wrong now in the project and on the whole site, worst first."""
    return Alert.objects.open().seen_in(project).worst_first().select_related("acknowledged_by")


def past_alerts(project: Project) -> QuerySet[Alert]:
    """What was wrong in the project and on the whole site, the last to end first."""
    rows = Alert.objects.past().seen_in(project).select_related("acknowledged_by")
    return rows.order_by("-resolved_at", "-pk")


def critical_alerts(project: Project) -> QuerySet[Alert]:
    """The open alerts that every page of the project shows."""
    return open_alerts(project).filter(severity=Severity.CRITICAL)


def open_keys(beginning: str) -> set[str]:
    """Keys of the open alerts of one producer, whose keys all begin with the same word."""
    return set(Alert.objects.open().filter(key__startswith=beginning).values_list("key", flat=True))

"""Requests that previews replay."""

from datetime import datetime, timedelta
from typing import Any

from readiness.lib.events import UsageEvent
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.telemetry.services import write_events


def record(project: Project, deployment: Deployment, at: datetime, *, number: int = 0, **values: Any) -> None:
    """Writes one request's record, answered after a second."""
    fields: dict[str, Any] = {
        "event_id": f"e{number}",
        "request_id": f"r{number}",
        "at_ms": round(at.timestamp() * 1000),
        "project_id": project.pk,
        "deployment_id": deployment.pk,
        "tier": "free",
        "tenant": "t",
        "input_tokens": 40,
        "output_tokens": 10,
        "cost_nanos": 500,
        "provider_ms": 1_000,
    }
    write_events([UsageEvent(**(fields | values))])


def record_rush(project: Project, deployment: Deployment, until: datetime, count: int = 40) -> None:
    """As many requests of two tiers at once, a minute before ``until``."""
    for number in range(count):
        at = until - timedelta(minutes=1) + timedelta(milliseconds=number)
        record(project, deployment, at, number=number, tier=("free", "pro")[number % 2])

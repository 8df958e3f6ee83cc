"""Reports of drills that were held."""

from datetime import UTC, datetime, timedelta
from typing import Any

from readiness.operations.drill_queries import tiers_now
from readiness.operations.drills.findings import Finding
from readiness.operations.models import DrillReport, DrillState


def held(
    name: str, figures: dict[str, float] | None = None, *, at: datetime | None = None, **values: Any
) -> DrillReport:
    """A report of a minute's drill on the tiers of now, that ended at ``at``."""
    ended = at or datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
    fields: dict[str, Any] = {
        "state": DrillState.DONE,
        "active": None,
        "created_at": ended - timedelta(minutes=1),
        "started_at": ended - timedelta(minutes=1),
        "finished_at": ended,
        "tiers": tiers_now(),
        "findings": [
            Finding(key=key, label=key.capitalize(), value=value).to_row()
            for key, value in (figures or {}).items()
        ],
    }
    return DrillReport.objects.create(name=name, **(fields | values))

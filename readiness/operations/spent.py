"""Whether the money of an allowance is spent already when it comes into force."""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from readiness.lib.money import format_usd, nanos
from readiness.lib.scopes import ScopeKind
from readiness.limits.policy import cap_scope
from readiness.limits.publication import day_edges, month_edges
from readiness.projects.models import Allowance
from readiness.telemetry.queries import spent_nanos


def spent_already(allowance: Allowance, now: datetime) -> list[str]:
    """A sentence for each budget that refuses from the first call on; none for one on each end user."""
    scope, zone = cap_scope(allowance), ZoneInfo(settings.BUDGET_TIME_ZONE)
    if scope.kind is ScopeKind.END_USER and not scope.end_user:
        return []
    budgets = (
        ("today", allowance.usd_per_day, day_edges(now, zone)),
        ("this month", allowance.usd_per_month, month_edges(now, zone)),
    )
    found = []
    for name, budget, edges in budgets:
        if budget is not None:
            began, ends = _around(now, edges)
            spent = spent_nanos(scope, began, now)
            if spent >= nanos(budget):
                found.append(
                    f"{format_usd(spent)} were spent {name} already, so every call is refused until "
                    f"{ends.astimezone(zone):%-d %B, %H:%M} ({zone.key})."
                )
    return found


def _around(now: datetime, edges: Sequence[int]) -> tuple[datetime, datetime]:
    moments = [datetime.fromtimestamp(edge / 1000, UTC) for edge in edges]
    return max(edge for edge in moments if edge <= now), min(edge for edge in moments if edge > now)

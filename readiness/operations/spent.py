"""What is spent of the money of allowances: of those in force, and before one comes into force."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from readiness.lib.money import format_usd, nanos
from readiness.lib.scopes import Scope, ScopeKind
from readiness.limits.policy import cap_scope
from readiness.limits.publication import day_edges, month_edges
from readiness.limits.queries import Spent, spent_under_caps
from readiness.limits.tickets import LimiterUnavailableError
from readiness.projects.models import Allowance
from readiness.telemetry.queries import spent_nanos


def with_spent(allowances: Iterable[Allowance]) -> list[tuple[Allowance, Spent | None]]:
    """Each allowance with what is spent of its budgets; None for one in no money or on each end user."""
    rows = list(allowances)
    scopes = [cap_scope(row) for row in rows if _has_one_budget(row)]
    try:
        spent = spent_under_caps(scopes)
    except LimiterUnavailableError:
        spent = {}
    return [(row, spent.get(cap_scope(row)) if _has_one_budget(row) else None) for row in rows]


def _has_one_budget(allowance: Allowance) -> bool:
    in_money = allowance.usd_per_day is not None or allowance.usd_per_month is not None
    return in_money and not _is_of_each_end_user(cap_scope(allowance))


def _is_of_each_end_user(scope: Scope) -> bool:
    return scope.kind is ScopeKind.END_USER and not scope.end_user


def spent_already(allowance: Allowance, now: datetime) -> list[str]:
    """A sentence for each budget that refuses from the first call on; none for one on each end user."""
    scope, zone = cap_scope(allowance), ZoneInfo(settings.BUDGET_TIME_ZONE)
    if _is_of_each_end_user(scope):
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

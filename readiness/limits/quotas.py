"""A provider's quota in the form that the scripts keep: one bucket per limit."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from readiness.limits.tickets import UNITS
from readiness.providers.base import Accounting, Quota, WindowKind

_MINUTE_MS, _DAY_MS = 60_000, 86_400_000
_DAYS_AHEAD = 30
"""Edges of fixed days that a bucket carries along; the sweep renews them long before they run out."""

LIMITS = {
    "rpm": ("requests", _MINUTE_MS),
    "tpm": ("tokens", _MINUTE_MS),
    "itpm": ("input_tokens", _MINUTE_MS),
    "otpm": ("output_tokens", _MINUTE_MS),
    "rpd": ("requests", _DAY_MS),
    "tpd": ("tokens", _DAY_MS),
}
"""Name of a limit to its unit and its window in milliseconds."""


def configuration(
    upstream: str, quota: Quota, *, account: str = "", account_quota: Quota | None = None, now: datetime
) -> str:
    """JSON for the ``configure`` script. ``account``: name of the account above, where it has a quota."""
    config = {"name": upstream, "jitter": quota.jitter_ms, **_limits(quota, now)}
    if account_quota:
        config["account"] = {"name": account, **_limits(account_quota, now)}
    return json.dumps(config)


def _limits(quota: Quota, now: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {"buckets": list(_buckets(quota, now))}
    return found | ({"concurrency": quota.concurrency} if quota.concurrency else {})


def _buckets(quota: Quota, now: datetime) -> Iterator[dict[str, Any]]:
    for name, (unit, window_ms) in LIMITS.items():
        limit: int | None = getattr(quota, name)
        if limit is None:
            continue
        of_day = window_ms == _DAY_MS
        kind = quota.day_window if of_day else quota.window
        bucket = {
            "name": name,
            "unit": UNITS.index(unit) + 1,
            "limit": limit,
            "window": window_ms,
            "kind": str(kind),
            # Only a provider that counts what was really used gives back what was reserved for more.
            "refund": quota.accounting is Accounting.ANTHROPIC and unit != "requests",
        }
        if kind is WindowKind.FIXED:
            bucket |= {"edges": _midnights(quota.zone, now)} if of_day else {"edge": quota.edge_s * 1000}
        yield bucket


def _midnights(zone: str, now: datetime) -> list[int]:
    """Unix milliseconds of the days' beginnings in the zone, from yesterday on."""
    today = now.astimezone(ZoneInfo(zone)).date()
    days = [today + timedelta(days=offset) for offset in range(-1, _DAYS_AHEAD)]
    moments = [datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC) for day in days]
    return [round(moment.timestamp() * 1000) for moment in moments]

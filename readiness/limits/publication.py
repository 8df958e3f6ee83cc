"""Writing a policy to where scripts read it, with the edges of the days and months that budgets count by."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import redis

POLICY_KEY = "limits:policy"
"""Hash: field → msgpack, written by ``lua/alone/publish.lua``; ``digest`` is of all that was written."""
DAY_EDGES_KEY = "limits:edges:day"
MONTH_EDGES_KEY = "limits:edges:month"
"""Sorted sets of Unix milliseconds at which a budget's day or month begins, scored by themselves."""

_SCRIPT = Path(__file__).parent / "lua" / "alone" / "publish.lua"
_DAYS_BACK, _DAYS_AHEAD = 40, 800
_MONTHS_BACK, _MONTHS_AHEAD = 14, 26


def write_policy(client: redis.Redis, fields: Mapping[str, Any], *, now: datetime, zone: ZoneInfo) -> None:
    """Replaces the policy by ``fields`` at once; a change is in force with the next call of any process.

    ``now`` may be hours off: the edges reach weeks further in both directions.
    """
    parts = (fields, day_edges(now, zone), month_edges(now, zone))
    client.register_script(_SCRIPT.read_text(encoding="utf-8"))(
        keys=[POLICY_KEY, DAY_EDGES_KEY, MONTH_EDGES_KEY],
        args=[json.dumps(part, sort_keys=True) for part in parts],
    )


def day_edges(now: datetime, zone: ZoneInfo) -> list[int]:
    """Unix milliseconds at which the days around ``now`` begin in the zone, from 40 back to 800 ahead."""
    today = now.astimezone(zone).date()
    days = (today + timedelta(days=offset) for offset in range(-_DAYS_BACK, _DAYS_AHEAD + 1))
    return _beginnings(days, zone)


def month_edges(now: datetime, zone: ZoneInfo) -> list[int]:
    """Unix milliseconds at which the months around ``now`` begin in the zone, from 14 back to 26 ahead."""
    today = now.astimezone(zone).date()
    this_month = today.year * 12 + today.month - 1
    numbers = range(this_month - _MONTHS_BACK, this_month + _MONTHS_AHEAD + 1)
    return _beginnings((date(number // 12, number % 12 + 1, 1) for number in numbers), zone)


def _beginnings(days: Iterable[date], zone: ZoneInfo) -> list[int]:
    """The first instants of the days, each once.

    Of a midnight that clocks meet twice Python takes the first, and for one that they leap over the instant
    of the leap; a day that the zone left out altogether begins together with the next one.
    """
    return sorted({round(datetime.combine(day, time.min, zone).timestamp() * 1000) for day in days})

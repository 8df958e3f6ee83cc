"""When the days and months of budgets begin."""

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from readiness.limits.publication import day_edges, month_edges

DAY_MS = 86_400_000
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_day_edges_span_the_past_that_is_counted_and_two_years_ahead() -> None:
    edges = day_edges(NOON, ZoneInfo("UTC"))

    assert (edges[0], edges[-1]) == (at("2026-02-17T00:00Z"), at("2028-06-06T00:00Z"))
    assert {later - earlier for earlier, later in itertools.pairwise(edges)} == {DAY_MS}


@pytest.mark.parametrize(
    ("zone", "edges"),
    [
        ("Europe/Berlin", ["2026-03-28T23:00Z", "2026-03-29T22:00Z"]),  # 23 hours
        ("Europe/Berlin", ["2026-10-24T22:00Z", "2026-10-25T23:00Z"]),  # 25 hours
        ("Asia/Beirut", ["2026-03-28T22:00Z", "2026-03-29T21:00Z"]),  # clocks leap over midnight
        ("America/Havana", ["2026-11-01T04:00Z", "2026-11-02T05:00Z"]),  # clocks meet midnight twice
        ("Asia/Kolkata", ["2026-03-28T18:30Z", "2026-03-29T18:30Z"]),
    ],
)
def test_days_begin_at_the_zones_midnight_when_clocks_change(zone: str, edges: list[str]) -> None:
    found = day_edges(NOON, ZoneInfo(zone))
    first, second = map(at, edges)

    assert found[found.index(first) + 1] == second


def test_day_that_a_zone_left_out_has_no_edge_of_its_own() -> None:
    edges = day_edges(datetime(2012, 1, 15, tzinfo=UTC), ZoneInfo("Pacific/Apia"))

    assert len(set(edges)) == len(edges) == 40 + 1 + 800 - 1


def test_month_edges_span_fourteen_months_back_and_twenty_six_ahead() -> None:
    edges = month_edges(NOON, ZoneInfo("UTC"))

    assert (edges[0], edges[-1], len(edges)) == (at("2025-01-01T00:00Z"), at("2028-05-01T00:00Z"), 41)


@pytest.mark.parametrize(
    ("now", "month"), [("2026-03-31T21:59Z", "2026-02-28T23:00Z"), ("2026-03-31T22:00Z", "2026-03-31T22:00Z")]
)
def test_month_is_the_zones_own(now: str, month: str) -> None:
    edges = month_edges(datetime.fromisoformat(now), ZoneInfo("Europe/Berlin"))

    assert max(edge for edge in edges if edge <= at(now)) == at(month)

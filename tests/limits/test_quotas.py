"""From a provider's quota to the buckets that the scripts keep: by table."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from readiness.limits.quotas import configuration
from readiness.providers.base import Accounting, Quota, WindowKind
from tests.limits.test_publication import at

NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)
MINUTE_MS, DAY_MS = 60_000, 86_400_000


def configured(quota: Quota, **account: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(configuration("d1", quota, now=NOW, **account))
    return found


def bucket(quota: Quota) -> dict[str, Any]:
    """The only one."""
    (found,) = configured(quota)["buckets"]
    return dict(found)


@pytest.mark.parametrize(
    ("name", "unit", "window"),
    [
        ("rpm", 1, MINUTE_MS),
        ("tpm", 2, MINUTE_MS),
        ("itpm", 3, MINUTE_MS),
        ("otpm", 4, MINUTE_MS),
        ("rpd", 1, DAY_MS),
        ("tpd", 2, DAY_MS),
    ],
)
def test_each_limit_is_a_bucket_of_its_unit_and_window(name: str, unit: int, window: int) -> None:
    assert bucket(Quota(**{name: 70})) == {  # type: ignore[arg-type]
        "name": name,
        "unit": unit,
        "limit": 70,
        "window": window,
        "kind": "continuous",
        "refund": False,
    }


@pytest.mark.parametrize(
    ("name", "accounting", "refund"),
    [
        ("rpm", Accounting.ANTHROPIC, False),
        ("itpm", Accounting.ANTHROPIC, True),
        ("otpm", Accounting.ANTHROPIC, True),
        ("otpm", Accounting.OPENAI, False),
        ("tpd", Accounting.ANTHROPIC, True),
    ],
)
def test_only_what_is_counted_as_really_used_is_given_back(
    name: str, accounting: Accounting, refund: bool
) -> None:
    assert bucket(Quota(**{name: 70}, accounting=accounting))["refund"] is refund  # type: ignore[arg-type]


def test_kind_of_window_of_minutes_and_days_are_apart() -> None:
    quota = Quota(rpm=1, rpd=1, window=WindowKind.SLIDING, day_window=WindowKind.FIXED)

    assert [found["kind"] for found in configured(quota)["buckets"]] == ["sliding", "fixed"]


def test_fixed_minute_has_its_second() -> None:
    assert bucket(Quota(tpm=1, window=WindowKind.FIXED, edge_s=17))["edge"] == 17_000


@pytest.mark.parametrize(
    ("zone", "first", "third"),
    [
        ("UTC", "2027-03-26T00:00Z", "2027-03-28T00:00Z"),
        ("America/Los_Angeles", "2027-03-26T07:00Z", "2027-03-28T07:00Z"),
        ("Pacific/Auckland", "2027-03-26T11:00Z", "2027-03-28T11:00Z"),
    ],
)
def test_fixed_day_has_the_zones_midnights_from_yesterday_on(zone: str, first: str, third: str) -> None:
    edges = bucket(Quota(rpd=1, day_window=WindowKind.FIXED, zone=zone))["edges"]

    assert (edges[0], edges[2], len(edges)) == (at(first), at(third), 31)


def test_day_on_which_clocks_change_is_shorter() -> None:
    edges = bucket(Quota(rpd=1, day_window=WindowKind.FIXED, zone="Europe/Berlin"))["edges"]

    assert (edges[3] - edges[2]) / 3_600_000 == 23


def test_jitter_and_places_go_along() -> None:
    found = configured(Quota(concurrency=3, jitter_ms=120))

    assert (found["name"], found["jitter"], found["concurrency"], found["buckets"]) == ("d1", 120, 3, [])


def test_no_limit_is_no_entry() -> None:
    assert configured(Quota()) == {"name": "d1", "jitter": 500, "buckets": []}


def test_account_with_limits_is_configured_too() -> None:
    account = configured(Quota(), account="a7", account_quota=Quota(rpm=9, concurrency=2))["account"]

    assert (account["name"], account["concurrency"]) == ("a7", 2)
    assert [found["name"] for found in account["buckets"]] == ["rpm"]


def test_account_without_limits_is_left_out() -> None:
    assert "account" not in configured(Quota(), account="a7", account_quota=None)

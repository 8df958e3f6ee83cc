"""What headers say of quotas, and what they only seem to say."""

from datetime import UTC, datetime

import httpx
import pytest

from readiness.providers.clients.quota_headers import (
    HeaderHabits,
    duration_s,
    exhausted_s,
    rate_limits,
    retry_after_s,
)

NOW = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:29:00 GMT"}, 60.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:00:00 GMT"}, 0.0),
        ({"retry-after": "6m0s"}, 360.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, 86_400.0),
        ({"retry-after": "Wed, 21 Oct 9026 07:00:00 GMT"}, 86_400.0),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(httpx.Headers(headers), NOW) == seconds


@pytest.mark.parametrize("value", ["-1", "0", "", "many", "9" * 5000])
def test_rate_limit_headers_that_tell_nothing_are_left_out(value: str) -> None:
    assert rate_limits(httpx.Headers({"X-RateLimit-Limit-Tokens": value})).limit == {}


def test_rate_limit_headers_are_read_by_unit_in_both_spellings() -> None:
    told = rate_limits(
        httpx.Headers(
            {
                "x-ratelimit-limit-requests": "500",
                "x-ratelimit-remaining-tokens": "29981",
                "anthropic-ratelimit-input-tokens-limit": "50000",
                "anthropic-ratelimit-output-tokens-remaining": "8000",
            }
        )
    )
    assert told.limit == {"requests": 500, "input_tokens": 50_000}
    assert told.remaining == {"tokens": 29_981, "output_tokens": 8_000}


@pytest.mark.parametrize(
    ("limit", "habits", "remaining"),
    [
        ("500", HeaderHabits(), {"requests": 0}),
        ("0", HeaderHabits(), {}),
        ("-1", HeaderHabits(), {}),
        ("", HeaderHabits(), {}),
        ("500", HeaderHabits(zero_is_told=False), {}),
    ],
)
def test_zero_remaining_is_a_number_beside_a_limit(
    limit: str, habits: HeaderHabits, remaining: dict[str, int]
) -> None:
    headers = {"x-ratelimit-limit-requests": limit, "x-ratelimit-remaining-requests": "0"}
    assert rate_limits(httpx.Headers(headers), habits).remaining == remaining


@pytest.mark.parametrize(("reset", "told"), [("1m0s", True), ("60s", True), ("7m12s", False), ("24h", False)])
def test_quota_that_takes_longer_than_a_minute_to_come_back_is_left_out(reset: str, told: bool) -> None:
    headers = {"x-ratelimit-limit-requests": "200", "x-ratelimit-reset-requests": reset}
    assert bool(rate_limits(httpx.Headers(headers)).limit) == told


def test_daily_requests_are_left_out_and_tokens_stay() -> None:
    headers = {"x-ratelimit-limit-requests": "14400", "x-ratelimit-limit-tokens": "18000"}
    told = rate_limits(httpx.Headers(headers), HeaderHabits(requests_are_daily=True))
    assert told.limit == {"tokens": 18_000}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("17ms", 0.017),
        ("7.66s", 7.66),
        ("1h2m3s", 3723.0),
        ("2m59.56s", 179.56),
        ("500us", 0.0005),
        ("1d12h", 86_400.0),
        ("", None),
        ("12", None),
        ("-1s", None),
        ("1s!", None),
        ("s", None),
        ("2026-10-21T07:28:17Z", None),
    ],
)
def test_duration_is_read_as_providers_write_it(text: str, seconds: float | None) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("resets", "seconds"),
    [
        ({}, None),
        ({"requests": ("1", "30s")}, None),
        ({"requests": ("0", "30s")}, 30.0),
        ({"requests": ("0", "1s"), "tokens": ("0", "6s")}, 6.0),
        ({"requests": ("0", "2026-10-21T07:28:17Z")}, 17.0),
        ({"requests": ("0", "2026-10-21T07:00:00Z")}, 0.0),
        ({"requests": ("0", "2027-10-21T07:00:00Z")}, 86_400.0),
        ({"requests": ("0", "tomorrow")}, None),
    ],
)
def test_exhausted_quota_tells_when_it_is_back(
    resets: dict[str, tuple[str, str]], seconds: float | None
) -> None:
    headers: dict[str, str] = {}
    for unit, (remaining, reset) in resets.items():
        headers |= {
            f"anthropic-ratelimit-{unit}-limit": "50",
            f"anthropic-ratelimit-{unit}-remaining": remaining,
            f"anthropic-ratelimit-{unit}-reset": reset,
        }
    assert exhausted_s(httpx.Headers(headers), NOW) == seconds

"""What responses say of quotas: how much is left, and how long to wait."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from readiness.providers.base import RateLimitHeaders

Headers = Mapping[str, str]
"""Names in lower case, as httpx compares them."""

_LONGEST_PAUSE_S = 86_400.0
_MINUTE_S = 60.0
_LARGEST_COUNT = 10**12
_UNITS = ("requests", "tokens", "input_tokens", "output_tokens")
_NAMES = ("x-ratelimit-{what}-{unit}", "anthropic-ratelimit-{unit}-{what}")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:d|h|ms|us|µs|ns|m|s))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(d|h|ms|us|µs|ns|m|s)")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderHabits:
    """Where a server's headers mean something else than their names say."""

    zero_is_told: bool = True
    """Whether 0 remaining is a number. Azure sends 0 and -1 for what it does not know."""
    requests_are_daily: bool = False
    """Groq's ``x-ratelimit-*-requests`` speak of its requests per day."""


USUAL_HABITS = HeaderHabits()


@dataclass(frozen=True, slots=True)
class _Sample:
    """What the headers say of one unit; None for what they do not say."""

    unit: str
    limit: int | None
    remaining: int | None
    reset: str


def rate_limits(headers: Headers, habits: HeaderHabits = USUAL_HABITS) -> RateLimitHeaders:
    """The ``x-ratelimit-*`` and ``anthropic-ratelimit-*`` headers that speak of a minute's quota.

    A limit of 0 and everything negative mean "not told"; 0 remaining is believed beside a limit. A quota that
    takes longer than a minute to come back is a day's and left out.
    """
    limit: dict[str, int] = {}
    remaining: dict[str, int] = {}
    for sample in _samples(headers):
        reset_s = duration_s(sample.reset)
        if reset_s is not None and reset_s > _MINUTE_S:
            continue
        if habits.requests_are_daily and sample.unit == "requests":
            continue
        if sample.limit:
            limit[sample.unit] = sample.limit
        if sample.remaining or (sample.remaining == 0 and sample.limit and habits.zero_is_told):
            remaining[sample.unit] = sample.remaining
    return RateLimitHeaders(limit=limit, remaining=remaining)


def exhausted_s(headers: Headers, now: datetime) -> float | None:
    """Seconds until the last of the exhausted quotas is reset, at most a day; None where nothing tells."""
    exhausted = [sample.reset for sample in _samples(headers) if sample.limit and sample.remaining == 0]
    resets = [_until(reset, now) for reset in exhausted]
    return max((reset for reset in resets if reset is not None), default=None)


def retry_after_s(headers: Headers, now: datetime) -> float | None:
    """Seconds to wait, at most a day, from ``retry-after-ms`` or ``Retry-After`` (seconds or HTTP date).

    None where the provider said nothing that can be read.
    """
    text = headers.get("retry-after", "")
    for candidate in (_number(headers.get("retry-after-ms", ""), unit=0.001), _number(text)):
        if candidate is not None:
            return candidate
    try:
        return _until_moment(parsedate_to_datetime(text), now)
    except ValueError:
        return duration_s(text)


def duration_s(text: str) -> float | None:
    """Seconds, at most a day, of a duration such as ``6m0s``, ``1s`` or ``17ms``; None for anything else."""
    if not _DURATION.fullmatch(text.strip()):
        return None
    parts = _DURATION_PART.findall(text)
    return min(sum(float(number) * _SECONDS[unit] for number, unit in parts), _LONGEST_PAUSE_S)


def _samples(headers: Headers) -> Iterator[_Sample]:
    for pattern in _NAMES:
        for unit in _UNITS:

            def told(what: str, pattern: str = pattern, unit: str = unit) -> str:
                return headers.get(pattern.format(what=what, unit=unit.replace("_", "-")), "")

            yield _Sample(unit, _count(told("limit")), _count(told("remaining")), told("reset"))


def _count(text: str) -> int | None:
    try:
        value = int(text)
    except ValueError:
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None


def _until(reset: str, now: datetime) -> float | None:
    """Seconds until a reset, which is a duration (OpenAI) or an RFC 3339 moment (Anthropic)."""
    try:
        return _until_moment(datetime.fromisoformat(reset), now)
    except ValueError:
        return duration_s(reset)


def _until_moment(moment: datetime, now: datetime) -> float:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), _LONGEST_PAUSE_S)


def _number(text: str, unit: float = 1.0) -> float | None:
    try:
        seconds = float(text) * unit
    except ValueError:
        return None
    if math.isnan(seconds) or seconds < 0:
        return None
    return min(seconds, _LONGEST_PAUSE_S)

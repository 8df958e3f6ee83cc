"""The service's own quota: continuously refilled token buckets and a concurrency cap, all or nothing.

Limits hold per API key and model, as a provider's hold per organisation and model. What was charged at
admission is never given back: failed and short answers cost what they reserved.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from readiness.simulator.profiles import Quota

_ROUNDING = 1e-6
"""A caller that waited exactly as long as told must not be refused for the last bit of a float. It is not
given away: the level goes below zero by as much."""

MAX_ACCOUNTS = 10_000
_CONCURRENCY_RETRY_SECONDS = 1.0


class Bucket:
    """Holds up to ``capacity``, refilled by ``capacity`` per ``window`` seconds, full at first."""

    def __init__(self, capacity: int, window: float, now: float) -> None:
        self.capacity = capacity
        self.window = window
        self._level = float(capacity)
        self._at = now

    def resize(self, capacity: int, now: float) -> None:
        """Change the limit; the level stays where it is, cut to the new capacity."""
        self.level(now)
        self.capacity = capacity
        self._level = min(self._level, capacity)

    def level(self, now: float) -> float:
        """What is left. A clock that goes back is taken to stand still."""
        if now > self._at:
            self._level = min(self.capacity, self._level + (now - self._at) * self.capacity / self.window)
            self._at = now
        return self._level

    def seconds_until(self, amount: float, now: float) -> float:
        """Until the bucket holds the amount; infinite when it never can."""
        if amount > self.capacity:
            return math.inf
        missing = amount - self.level(now)
        return missing * self.window / self.capacity if missing > _ROUNDING else 0.0

    def take(self, amount: float) -> None:
        """Deduct; the caller has asked ``seconds_until`` at the same time."""
        self._level -= amount


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not admitted. ``seconds`` is infinite when waiting cannot help."""

    limit: str
    kind: str
    capacity: int
    used: int
    requested: int
    seconds: float


_WINDOWS = {"rpm": 60.0, "tpm": 60.0, "rpd": 86_400.0}
_TITLES = {
    "rpm": ("requests per min (RPM)", "requests"),
    "tpm": ("tokens per min (TPM)", "tokens"),
    "rpd": ("requests per day (RPD)", "requests"),
}


@dataclass(slots=True)
class Account:
    """The use that one API key makes of one model."""

    quota: Quota
    buckets: dict[str, Bucket] = field(default_factory=dict)
    in_flight: int = 0

    def apply(self, quota: Quota, now: float) -> None:
        """Bring the buckets in line with the model's present limits; a limit that is new starts full."""
        for name, window in _WINDOWS.items():
            capacity: int | None = getattr(quota, name)
            if capacity is None:
                self.buckets.pop(name, None)
            elif name in self.buckets:
                self.buckets[name].resize(capacity, now)
            else:
                self.buckets[name] = Bucket(capacity, window, now)
        self.quota = quota

    def admit(self, tokens: int, now: float) -> Refusal | None:
        """Charge one request and its tokens to every bucket and take a place, or do nothing and say why."""
        refusals = list(self._shortages(tokens, now))
        if refusals:
            return max(refusals, key=lambda refusal: refusal.seconds)
        for name, bucket in self.buckets.items():
            bucket.take(_cost(name, tokens))
        self.in_flight += 1
        return None

    def release(self) -> None:
        """Give the place of one admitted request back."""
        self.in_flight -= 1

    def _shortages(self, tokens: int, now: float) -> Iterator[Refusal]:
        for name, bucket in self.buckets.items():
            cost = _cost(name, tokens)
            seconds = bucket.seconds_until(cost, now)
            if seconds > 0:
                used = bucket.capacity - math.floor(bucket.level(now))
                yield Refusal(*_TITLES[name], bucket.capacity, used, cost, seconds)
        cap = self.quota.concurrency
        if cap is not None and self.in_flight >= cap:
            yield Refusal(
                "concurrent requests", "requests", cap, self.in_flight, 1, _CONCURRENCY_RETRY_SECONDS
            )

    def headers(self, now: float) -> dict[str, str]:
        """``x-ratelimit-*`` as OpenAI sends them; per day for requests where no minute is limited."""
        found: dict[str, str] = {}
        per_minute_or_day = self.buckets.get("rpm") or self.buckets.get("rpd")
        for kind, bucket in (("requests", per_minute_or_day), ("tokens", self.buckets.get("tpm"))):
            if bucket is not None:
                found[f"x-ratelimit-limit-{kind}"] = str(bucket.capacity)
                found[f"x-ratelimit-remaining-{kind}"] = str(
                    max(0, math.floor(bucket.level(now) + _ROUNDING))
                )
                found[f"x-ratelimit-reset-{kind}"] = format_duration(
                    bucket.seconds_until(bucket.capacity, now)
                )
        return found


def _cost(bucket: str, tokens: int) -> int:
    return tokens if bucket == "tpm" else 1


class Accounts:
    """All accounts, by key and model; beyond ``MAX_ACCOUNTS`` the one idle for longest starts full again."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[tuple[str, str], Account] = OrderedDict()

    def find(self, key: str, model: str, quota: Quota, now: float) -> Account:
        """The account, its buckets in line with ``quota``."""
        account = self._accounts.get((key, model))
        if account is None:
            account = self._accounts[(key, model)] = Account(quota)
            account.apply(quota, now)
            if len(self._accounts) > MAX_ACCOUNTS:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end((key, model))
            if account.quota != quota:
                account.apply(quota, now)
        return account


def format_duration(seconds: float) -> str:
    """The way OpenAI writes how long a limit takes to reset: ``17ms``, ``1.5s``, ``6m0s``, ``1h0m3s``.

    Rounded up to a millisecond, so that waiting as told is enough.
    """
    milliseconds = math.ceil(round(seconds * 1000, 6))
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    rest = f"{milliseconds / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{rest}"
    return f"{minutes}m{rest}" if minutes else rest

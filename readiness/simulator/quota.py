"""The service's own quota: limits of one API key on one model, and on all its models together.

A request is charged to all limits or to none. What was charged at admission is never given back: failed and
short answers cost what they reserved.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from readiness.simulator.profiles import LimitSet, WindowKind
from readiness.simulator.windows import (
    DAY,
    MINUTE,
    ROUNDING,
    Bucket,
    FixedWindow,
    Meter,
    SlidingLog,
    day_edge,
    minute_edge,
)

MAX_ACCOUNTS = 10_000
_CONCURRENCY_RETRY_SECONDS = 1.0
_ANY = 2 * ROUNDING
"""More than nothing: what must be left where the cost is not known before it is produced."""

Unit = Literal["requests", "tokens", "input_tokens", "output_tokens"]


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request costs at the moment it is admitted, in every unit that a limit may count."""

    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 1
    output_later: bool = False
    """True when output is charged as it is produced: its limit must not be empty, and may be overdrawn."""

    def of(self, unit: Unit) -> int:
        """What is deducted."""
        cost: int = getattr(self, unit)
        return cost

    def needs(self, unit: Unit) -> float:
        """What must be left."""
        open_ended = self.output_later and unit in _PRODUCED
        return self.of(unit) or (_ANY if open_ended else 0)


_PRODUCED: tuple[Unit, ...] = ("tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not admitted. ``seconds`` is infinite when waiting cannot help."""

    name: str
    """The limit's field, such as ``tpm``, or ``account tpm``."""
    limit: str
    """The limit in words."""
    kind: str
    capacity: int
    used: int
    requested: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Reading:
    """How one limit stands, for the headers of a reply."""

    unit: Unit
    limit: int
    remaining: int
    reset_seconds: float
    """Until nothing counts as used any more."""


@dataclass(frozen=True, slots=True)
class _Rule:
    unit: Unit
    window: float
    words: str
    kind: Literal["requests", "tokens"]


_RULES = {
    "rpm": _Rule("requests", MINUTE, "requests per min{} (RPM)", "requests"),
    "tpm": _Rule("tokens", MINUTE, "tokens per min{} (TPM)", "tokens"),
    "itpm": _Rule("input_tokens", MINUTE, "input tokens per min{} (ITPM)", "tokens"),
    "otpm": _Rule("output_tokens", MINUTE, "output tokens per min{} (OTPM)", "tokens"),
    "rpd": _Rule("requests", DAY, "requests per day{} (RPD)", "requests"),
    "tpd": _Rule("tokens", DAY, "tokens per day{} (TPD)", "tokens"),
}
"""Limits by their field; those per minute first, because headers tell one limit per unit."""


class Limits:
    """The use of one set of limits."""

    def __init__(
        self, limits: LimitSet, now: float, *, unix_offset: float = 0.0, shared: bool = False
    ) -> None:
        """``unix_offset`` leads from the clock to Unix time; ``shared`` limits stand above all models."""
        self._offset = unix_offset
        self._shared = shared
        self._in_flight = 0
        self._meters: dict[str, Meter] = {}
        self._limits = limits
        self._adopt(limits, now)

    def apply(self, limits: LimitSet, now: float) -> None:
        """Bring the meters in line with the present limits.

        A limit that is new starts full, and so does one whose window is of another kind now.
        """
        if limits is self._limits:
            return
        if limits.rules != self._limits.rules:
            self._meters.clear()
        self._adopt(limits, now)

    def _adopt(self, limits: LimitSet, now: float) -> None:
        for name, rule in _RULES.items():
            capacity: int | None = getattr(limits, name)
            if capacity is None:
                self._meters.pop(name, None)
            elif name in self._meters:
                self._meters[name].resize(capacity, now)
            else:
                self._meters[name] = self._meter(rule, limits, capacity, now)
        self._limits = limits

    def _meter(self, rule: _Rule, limits: LimitSet, capacity: int, now: float) -> Meter:
        daily = rule.window == DAY
        kind = limits.day_window if daily else limits.window
        if kind is WindowKind.CONTINUOUS:
            return Bucket(capacity, rule.window, now)
        if kind is WindowKind.SLIDING:
            return SlidingLog(capacity, rule.window, now)
        edge = day_edge(limits.zone, self._offset) if daily else minute_edge(limits.edge_s, self._offset)
        return FixedWindow(capacity, edge, now)

    def shortages(self, charge: Charge, now: float) -> Iterator[Refusal]:
        """Every limit that cannot take the request now."""
        for name, meter in self._meters.items():
            rule = _RULES[name]
            seconds = meter.seconds_until(charge.needs(rule.unit), now)
            if seconds > 0:
                used = meter.capacity - math.floor(meter.level(now))
                yield self._refusal(
                    name, rule.words, rule.kind, meter.capacity, used, charge.of(rule.unit), seconds
                )
        cap = self._limits.concurrency
        if cap is not None and self._in_flight >= cap:
            words = "concurrent requests{}"
            yield self._refusal(
                "concurrency", words, "requests", cap, self._in_flight, 1, _CONCURRENCY_RETRY_SECONDS
            )

    def _refusal(
        self, name: str, words: str, kind: str, capacity: int, used: int, requested: int, seconds: float
    ) -> Refusal:
        if self._shared:
            name = f"account {name}"
        limit = words.format(" of the account" if self._shared else "")
        return Refusal(name, limit, kind, capacity, used, requested, seconds)

    def take(self, charge: Charge, now: float) -> None:
        """Charge an admitted request and give it a place."""
        for name, meter in self._meters.items():
            cost = charge.of(_RULES[name].unit)
            if cost:
                meter.take(cost, now)
        self._in_flight += 1

    def produce(self, output_tokens: int, now: float) -> None:
        """Charge output of an admitted request, whether it is left or not."""
        for name, meter in self._meters.items():
            if _RULES[name].unit in _PRODUCED:
                meter.take(output_tokens, now)

    def release(self) -> None:
        """Give the place of one admitted request back."""
        self._in_flight -= 1

    def readings(self, now: float) -> list[Reading]:
        """How the limits stand, one per unit: per day only where no minute is limited."""
        found: dict[Unit, Reading] = {}
        for name, rule in _RULES.items():
            meter = self._meters.get(name)
            if meter is not None and rule.unit not in found:
                remaining = max(0, math.floor(meter.level(now) + ROUNDING))
                found[rule.unit] = Reading(
                    rule.unit, meter.capacity, remaining, meter.seconds_until_full(now)
                )
        return list(found.values())


class Account:
    """The limits that the requests of one key to one model count in: the model's own, and those above it."""

    def __init__(self, own: Limits, above: Sequence[Limits] = ()) -> None:
        self._own = own
        self._all = (own, *above)

    def admit(self, charge: Charge, now: float) -> Refusal | None:
        """Charge one request to every limit and take a place, or do nothing and say which takes longest."""
        refusals = [refusal for limits in self._all for refusal in limits.shortages(charge, now)]
        if refusals:
            return max(refusals, key=lambda refusal: refusal.seconds)
        for limits in self._all:
            limits.take(charge, now)
        return None

    def produce(self, output_tokens: int, now: float) -> None:
        """Charge output where it counts as it is produced."""
        for limits in self._all:
            limits.produce(output_tokens, now)

    def release(self) -> None:
        """Give the place of one admitted request back."""
        for limits in self._all:
            limits.release()

    def readings(self, now: float) -> list[Reading]:
        """How the model's own limits stand."""
        return self._own.readings(now)


class Accounts:
    """All limits in use, by key and model; beyond ``MAX_ACCOUNTS`` those idle longest start full again."""

    def __init__(self, unix_offset: float = 0.0) -> None:
        self._offset = unix_offset
        self._limits: OrderedDict[tuple[str, str | None], Limits] = OrderedDict()

    def find(self, key: str, model: str, own: LimitSet, above: LimitSet, now: float) -> Account:
        """The account, in line with the model's limits and with those above all models."""
        mine = self._find(key, model, own, now)
        return Account(mine, () if above.is_empty else (self._find(key, None, above, now),))

    def _find(self, key: str, model: str | None, wanted: LimitSet, now: float) -> Limits:
        limits = self._limits.get((key, model))
        if limits is None:
            limits = Limits(wanted, now, unix_offset=self._offset, shared=model is None)
            self._limits[(key, model)] = limits
            if len(self._limits) > MAX_ACCOUNTS:
                self._limits.popitem(last=False)
        else:
            self._limits.move_to_end((key, model))
            limits.apply(wanted, now)
        return limits

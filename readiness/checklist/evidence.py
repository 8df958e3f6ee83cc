"""Evidence as the rules see it: plain values, no rows."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any, Self

from readiness.checklist.catalogue.schema import FINGERPRINT_LABELS, FingerprintKey
from readiness.lib.statistics import Estimate, Method


@dataclass(frozen=True)
class Part:
    """One measured quantity, named like the part of the rule that judges it.

    ``value`` is in the rule's own unit (shares as 0..1, latency in ms, money in US dollars, facts as 0 or 1);
    None when nothing was measured. ``n`` is what it was measured on. ``low`` and ``high`` are one-sided
    bounds, each at the rule's level; None when the sample is too small to have one, and for exact quantities.
    """

    name: str
    value: float | None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    method: Method | None = None
    """How the bounds were computed; a size that would decide is planned for the same method."""
    note: str = ""
    """Plain words that the number cannot carry: which stratum was worst, which requirement is missing."""

    def __post_init__(self) -> None:
        numbers = [number for number in (self.value, self.low, self.high) if number is not None]
        if not all(isfinite(number) for number in numbers):
            raise ValueError(f"{self.name}: a measurement must be a finite number")
        if self.value is None and (self.low is not None or self.high is not None):
            raise ValueError(f"{self.name}: a bound needs a value")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"{self.name}: the lower bound is above the upper one")
        if self.n is not None and self.n < 0:
            raise ValueError(f"{self.name}: n cannot be negative")

    def as_row(self) -> dict[str, Any]:
        """For a JSON column."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Raises TypeError on unknown fields, ValueError on impossible numbers."""
        method = row.get("method")
        return cls(**{**row, "method": None if method is None else Method(method)})

    @classmethod
    def from_estimate(cls, name: str, estimate: Estimate, *, note: str = "") -> Self:
        """An infinite bound, which a small sample has, becomes None."""
        low, high = (bound if isfinite(bound) else None for bound in (estimate.low, estimate.high))
        return cls(name, estimate.value, estimate.n, low, high, estimate.method, note)


@dataclass(frozen=True)
class EvidenceView:
    """One measurement, or one person's word, for one criterion."""

    parts: tuple[Part, ...]
    measured_at: datetime
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    """Key letter to the digest or id that it was measured on."""
    abstained: bool = False
    """True when the producer ran but could not score."""
    attested: bool = False
    """True when it is a person's word; without parts it vouches for the whole criterion, where only a person
    can know and where this version measures nothing."""
    expires_at: datetime | None = None
    explanation: str = ""

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)


def moved_keys(
    measured_on: Mapping[str, str], current: Mapping[str, str], keys: Iterable[FingerprintKey]
) -> tuple[FingerprintKey, ...]:
    """The declared keys in which evidence differs from what would be shipped now.

    A key that only one side knows has moved: what cannot be compared is not the same. A key that neither side
    knows has not.
    """
    return tuple(key for key in keys if measured_on.get(key) != current.get(key))


def key_names(keys: Iterable[FingerprintKey]) -> str:
    """``prompt version and model``, for a sentence."""
    names = [FINGERPRINT_LABELS[key] for key in keys]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

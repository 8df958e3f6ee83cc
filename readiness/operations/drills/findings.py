"""What a drill hands back: figures, the thresholds that some of them must keep, and what happened when."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from readiness.lib.formats import format_percent

_FACT = "fact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure; with a threshold it is an expectation."""

    key: str
    """Stable name, by which evidence is taken from a report."""
    label: str
    value: float
    unit: str = ""
    """``%`` for shares, which are stored as 0..1; ``fact`` for what is so (1) or is not (0); else what is
    written behind the number."""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """None for a figure that nothing is expected of."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    @property
    def measured_words(self) -> str:
        return _words(self.value, self.unit)

    @property
    def expected_words(self) -> str:
        """``at most 30 s``; empty where nothing is expected."""
        if self.unit == _FACT:
            return _words(1, _FACT)
        if self.at_most == 0:
            return "none"
        if self.at_most is not None:
            return f"at most {_words(self.at_most, self.unit)}"
        return "" if self.at_least is None else f"at least {_words(self.at_least, self.unit)}"

    def to_row(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened, ``at_s`` seconds after the drill began."""

    at_s: float
    what: str

    def to_row(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**row)


def _words(value: float, unit: str) -> str:
    if unit == _FACT:
        return "yes" if value else "no"
    if unit == "%":
        return format_percent(value, 0 if value == round(value, 2) else 2)
    number = f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
    return f"{number} {unit}".strip()

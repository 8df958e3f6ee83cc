"""What a preview found, as it is kept: the figures before and after, and what they rest on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from readiness.limits.replay_figures import Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    before: Figures
    after: Figures
    requests: int
    first_ms: int = 0
    """When the first of them asked, in Unix milliseconds; 0 in what was kept before this was."""
    last_ms: int = 0
    left_out: int
    """Requests beyond the bound."""
    estimated: int
    """Requests whose use was not recorded."""
    seconds: float
    """How long the two replays took."""

    def to_json(self) -> dict[str, Any]:
        return {
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "requests": self.requests,
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "left_out": self.left_out,
            "estimated": self.estimated,
            "seconds": self.seconds,
        }

    @property
    def span(self) -> str:
        """From when to when they asked, in words; empty where that was not kept."""
        if not self.first_ms:
            return ""
        first, last = (datetime.fromtimestamp(at / 1000, UTC) for at in (self.first_ms, self.last_ms))
        return f"{first:%-d %b %H:%M} to {last:%-d %b %H:%M} UTC"

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        sides = {side: Figures.from_json(stored[side]) for side in ("before", "after")}
        return cls(**{**stored, **sides})

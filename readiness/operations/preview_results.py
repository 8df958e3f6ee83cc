"""What a preview found, as it is kept: the figures before and after, and what they rest on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from readiness.limits.replay_figures import Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    before: Figures
    after: Figures
    requests: int
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
            "left_out": self.left_out,
            "estimated": self.estimated,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        sides = {side: Figures.from_json(stored[side]) for side in ("before", "after")}
        return cls(**{**stored, **sides})

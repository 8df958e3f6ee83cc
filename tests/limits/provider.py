"""What a provider does with requests, by any kind of window: the oracle of the limiter's tests."""

from collections import deque
from dataclasses import dataclass, field

from readiness.providers.base import Quota, WindowKind

MINUTE_MS, DAY_MS = 60_000, 86_400_000
UNITS = {"rpm": MINUTE_MS, "tpm": MINUTE_MS, "rpd": DAY_MS}
# Billionths of a request are the arithmetic of two programs, not a quota that was passed.
ROUNDING = 1e-6


@dataclass
class Window:
    """One limit: full at first."""

    kind: WindowKind
    limit: float
    length: int
    at: float
    level: float = field(init=False)
    log: deque[tuple[float, float]] = field(default_factory=deque)
    used: float = 0.0
    number: int = 0

    def __post_init__(self) -> None:
        self.level = self.limit
        self.number = int(self.at // self.length)

    def free(self, now: float) -> float:
        match self.kind:
            case WindowKind.SLIDING:
                while self.log and self.log[0][0] <= now - self.length:
                    self.used -= self.log.popleft()[1]
                return self.limit - self.used
            case WindowKind.FIXED:
                if now // self.length != self.number:
                    self.number, self.used = int(now // self.length), 0.0
                return self.limit - self.used
        self.level = min(self.limit, self.level + self.limit / self.length * (now - self.at))
        self.at = now
        return self.level

    def take(self, need: float, now: float) -> None:
        self.level -= need
        self.used += need
        self.log.append((now, need))


class Provider:
    """Refuses a request that finds one of its windows short, and takes nothing then."""

    def __init__(self, quota: Quota, at: float) -> None:
        self.windows = {
            unit: Window(quota.day_window if unit == "rpd" else quota.window, limit, length, at)
            for unit, length in UNITS.items()
            if (limit := getattr(quota, unit)) is not None
        }

    def accepts(self, now: float, tokens: int) -> bool:
        """Takes one request at ``now`` (milliseconds), or refuses it and takes nothing."""
        needs = {unit: tokens if unit == "tpm" else 1 for unit in self.windows}
        if any(window.free(now) + ROUNDING < needs[unit] for unit, window in self.windows.items()):
            return False
        for unit, window in self.windows.items():
            window.take(needs[unit], now)
        return True

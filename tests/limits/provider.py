"""What a provider with continuous windows does with requests: the oracle of the limiter's tests."""

from dataclasses import dataclass, field

from readiness.providers.base import Quota

WINDOW_MS = {"rpm": 60_000, "tpm": 60_000, "rpd": 86_400_000}


@dataclass
class Provider:
    """Full buckets at the start, refilled continuously; a request that finds one short gets a 429."""

    quota: Quota
    at: float
    levels: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        limits = {unit: getattr(self.quota, unit) for unit in WINDOW_MS}
        self.limits: dict[str, int] = {unit: limit for unit, limit in limits.items() if limit is not None}
        self.levels = dict(self.limits)

    def accepts(self, now: float, tokens: int) -> bool:
        """Takes one request at ``now`` (milliseconds), or refuses it and takes nothing."""
        for unit, limit in self.limits.items():
            refill = limit / WINDOW_MS[unit] * (now - self.at)
            self.levels[unit] = min(limit, self.levels[unit] + refill)
        self.at = now
        needs = {unit: tokens if unit == "tpm" else 1 for unit in self.limits}
        # Billionths of a request are the arithmetic of two programs, not a quota that was passed.
        if any(self.levels[unit] + 1e-6 < need for unit, need in needs.items()):
            return False
        for unit, need in needs.items():
            self.levels[unit] -= need
        return True

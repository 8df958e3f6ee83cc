"""How the queues stand, for pages."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from readiness.lib.redis import sync_redis
from readiness.limits.scripts import UNREACHABLE, run

NO_REDIS = "Redis does not answer: no new call to an AI service is admitted until it is back."
"""What pages say of a Redis that is frozen or gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketState:
    unit: str
    """``rpm``, ``tpm`` or ``rpd``."""
    limit: float
    level: float
    """Requests or tokens that could be spent now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierQueue:
    tier: str
    waiting: int
    oldest_s: float
    """How long the oldest of its requests has been waiting; 0 when none is."""
    served: float
    """Quota-seconds granted within this minute and the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamState:
    upstream: str
    buckets: tuple[BucketState, ...] = ()
    """Empty for an upstream that no call was made to since Redis started."""
    in_flight: int = 0
    concurrency: int | None = None
    pause_s: float = 0.0
    """Seconds until calls go on after the provider said 429; 0 when nothing is paused."""
    out_of_credit: bool = False
    tiers: tuple[TierQueue, ...] = ()

    @property
    def waiting(self) -> int:
        return sum(tier.waiting for tier in self.tiers)

    @property
    def oldest_s(self) -> float:
        return max((tier.oldest_s for tier in self.tiers), default=0.0)


def upstream_of(deployment_id: int) -> str:
    """The limiter's name for a deployment; ``DeploymentSpec.upstream`` is the same."""
    return f"d{deployment_id}"


def upstream_state(upstream: str) -> UpstreamState:
    """One atomic snapshot. Raises ``LimiterUnavailableError``."""
    raw = json.loads(run("inspect", upstream)["state"])
    units = [unit for unit in ("rpm", "tpm", "rpd") if unit in raw["buckets"]]
    return UpstreamState(
        upstream=upstream,
        buckets=tuple(BucketState(unit=unit, **raw["buckets"][unit]) for unit in units),
        in_flight=raw["in_flight"],
        concurrency=raw.get("concurrency"),
        pause_s=raw["pause_ms"] / 1000,
        out_of_credit="circuit" in raw,
        tiers=tuple(
            TierQueue(tier=tier, waiting=it["waiting"], oldest_s=it["oldest_ms"] / 1000, served=it["served"])
            for tier, it in sorted(dict(raw["tiers"]).items())
        ),
    )


def upstream_states(upstreams: Iterable[str]) -> dict[str, UpstreamState]:
    """A snapshot of each. Raises ``LimiterUnavailableError``."""
    return {upstream: upstream_state(upstream) for upstream in upstreams}


def redis_health() -> str:
    """Plain words when Redis does not answer, empty when it does."""
    try:
        sync_redis().ping()
    except UNREACHABLE:
        return NO_REDIS
    return ""

"""Model profiles: how fast, how dear, how reliable and how truthful each simulated model is."""

import math
from collections.abc import Mapping
from random import Random
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Rate = Annotated[float, Field(ge=0, le=1)]
Limit = Annotated[int, Field(ge=1, le=1_000_000_000)]
Dollars = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,9})?$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lognormal(_Frozen):
    """A positive quantity with a long upper tail; ``sigma`` is the deviation of its natural logarithm."""

    median: float = Field(gt=0, le=1_000_000)
    sigma: float = Field(default=0.0, ge=0, le=3)

    def sample(self, random: Random) -> float:
        """One value, in the unit of the median."""
        return self.median * math.exp(random.gauss(0.0, self.sigma)) if self.sigma else self.median


class Quota(_Frozen):
    """Limits of one API key on one model; None means that this one does not exist."""

    rpm: Limit | None = 600
    tpm: Limit | None = 200_000
    rpd: Limit | None = 100_000
    concurrency: Limit | None = 64


class Price(_Frozen):
    """US dollars per million tokens, as decimal text so that no cent is lost on the way."""

    input_usd_per_million: Dollars
    output_usd_per_million: Dollars


class ModelProfile(_Frozen):
    """One simulated model."""

    judge: bool = False
    """True for a model that answers a judging prompt with a verdict."""
    ttft_seconds: Lognormal
    tokens_per_second: Lognormal
    error_rate: Rate
    """Share of admitted requests that fail with 500."""
    hallucination_rate: Rate
    """Share of answers from a passage in which a number, a name or a negation is altered."""
    verdict_error_rate: Rate = 0.0
    """Share of a judge's verdicts that are turned into their opposite."""
    price: Price
    quota: Quota = Quota()
    default_max_tokens: int = Field(default=256, ge=1, le=1_000_000)
    """Output limit of a request that states none; it counts in the charge like a stated one."""
    context_tokens: int = Field(default=128_000, ge=1, le=1_000_000)

    def merged(self, changes: Mapping[str, Any]) -> Self:
        """A copy with the changes, nested ones (quota, price, speeds) merged field by field.

        Raises pydantic's ``ValidationError`` for an unknown field or a value out of range.
        """
        values = self.model_dump()
        for name, value in changes.items():
            current = values.get(name)
            values[name] = (
                {**current, **value} if isinstance(current, dict) and isinstance(value, dict) else value
            )
        return self.model_validate(values)


DEFAULT_PROFILES: Mapping[str, ModelProfile] = {
    "sim-small-2026-06": ModelProfile(
        ttft_seconds=Lognormal(median=0.15, sigma=0.35),
        tokens_per_second=Lognormal(median=300, sigma=0.25),
        error_rate=0.01,
        hallucination_rate=0.20,
        price=Price(input_usd_per_million="0.10", output_usd_per_million="0.40"),
    ),
    "sim-medium-2026-06": ModelProfile(
        ttft_seconds=Lognormal(median=0.28, sigma=0.35),
        tokens_per_second=Lognormal(median=140, sigma=0.25),
        error_rate=0.005,
        hallucination_rate=0.09,
        price=Price(input_usd_per_million="0.50", output_usd_per_million="2.00"),
    ),
    "sim-large-2026-06": ModelProfile(
        ttft_seconds=Lognormal(median=0.45, sigma=0.40),
        tokens_per_second=Lognormal(median=80, sigma=0.30),
        error_rate=0.002,
        hallucination_rate=0.03,
        price=Price(input_usd_per_million="2.50", output_usd_per_million="10.00"),
    ),
    "sim-judge-2026-06": ModelProfile(
        judge=True,
        ttft_seconds=Lognormal(median=0.30, sigma=0.35),
        tokens_per_second=Lognormal(median=150, sigma=0.25),
        error_rate=0.002,
        hallucination_rate=0.05,
        verdict_error_rate=0.05,
        price=Price(input_usd_per_million="1.00", output_usd_per_million="4.00"),
    ),
}
"""What the service starts with. At their medians an answer of 35 tokens takes 0.27 s, 0.53 s and 0.89 s."""

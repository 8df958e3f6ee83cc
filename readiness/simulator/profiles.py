"""Model profiles: how fast, how dear, how reliable and how truthful each simulated model is."""

import math
from collections.abc import Mapping
from enum import StrEnum
from random import Random
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Rate = Annotated[float, Field(ge=0, le=1)]
Limit = Annotated[int, Field(ge=1, le=1_000_000_000)]
Dollars = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,9})?$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

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


class Lognormal(_Frozen):
    """A positive quantity with a long upper tail; ``sigma`` is the deviation of its natural logarithm."""

    median: float = Field(gt=0, le=1_000_000)
    sigma: float = Field(default=0.0, ge=0, le=3)

    def sample(self, random: Random) -> float:
        """One value, in the unit of the median."""
        return self.median * math.exp(random.gauss(0.0, self.sigma)) if self.sigma else self.median


class WindowKind(StrEnum):
    """How a limit forgets what was used."""

    CONTINUOUS = "continuous"
    """Refilled all the time, like Anthropic's."""
    SLIDING = "sliding"
    """Exactly what was used in the last minute, or day, counts."""
    FIXED = "fixed"
    """Begins anew at every edge: a second of the minute, midnight of a zone."""


class Accounting(StrEnum):
    """How tokens are counted."""

    OPENAI = "openai"
    """At admission: the larger of ``max_tokens`` and an estimate from the characters; never given back."""
    ANTHROPIC = "anthropic"
    """Input without what was cached at admission, real output as it is produced; ``max_tokens`` never."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone, such as UTC or America/Los_Angeles") from None
    return name


class LimitSet(_Frozen):
    """Limits of one API key and how they are counted; None means that this one does not exist.

    ``itpm`` and ``otpm`` count input and output tokens apart. ``window`` is the kind of the limits per
    minute, ``day_window`` of those per day.
    """

    rpm: Limit | None = None
    tpm: Limit | None = None
    rpd: Limit | None = None
    tpd: Limit | None = None
    itpm: Limit | None = None
    otpm: Limit | None = None
    concurrency: Limit | None = None
    window: WindowKind = WindowKind.CONTINUOUS
    day_window: WindowKind = WindowKind.CONTINUOUS
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    """Fixed windows of a day begin at midnight here."""
    edge_s: int = Field(default=0, ge=0, le=59)
    """The second of the minute at which fixed windows of a minute begin."""

    @property
    def rules(self) -> tuple[WindowKind, WindowKind, str, int]:
        """How the limits are counted, whatever their size."""
        return self.window, self.day_window, self.zone, self.edge_s

    @property
    def is_empty(self) -> bool:
        """True when nothing is limited."""
        return all(
            limit is None
            for limit in (self.rpm, self.tpm, self.rpd, self.tpd, self.itpm, self.otpm, self.concurrency)
        )


class Quota(LimitSet):
    """Limits of one API key on one model."""

    rpm: Limit | None = 600
    tpm: Limit | None = 200_000
    rpd: Limit | None = 100_000
    concurrency: Limit | None = 64
    accounting: Accounting = Accounting.OPENAI


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
    headers: bool = True
    """False for a provider that tells nothing about its limits: no ratelimit headers, no Retry-After."""
    jitter_seconds: float = Field(default=0.0, ge=0, le=60)
    """Most that the way to the quota takes, in real seconds: each request a uniform share of it."""
    fixed_answer: Annotated[str, StringConstraints(min_length=1, max_length=10_000)] | None = None
    """What every answer says, without a look at the prompt: for load, where content does not matter."""
    default_max_tokens: int = Field(default=256, ge=1, le=1_000_000)
    """Output limit of a request that states none; it counts in the charge like a stated one."""
    context_tokens: int = Field(default=128_000, ge=1, le=1_000_000)


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

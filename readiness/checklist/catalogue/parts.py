"""The rule of one measured part of a criterion: what is compared with which threshold, and how strictly.

Three families. A *sampled* quantity (rate, estimate, quantile) passes on its one-sided confidence bound. An
*exact* one (value, count, share of everything there is, fact) has no sampling error and is compared as it
stands. A *sample* says how much must have been looked at: too little is undecided, never a failure.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, model_validator

from readiness.checklist.catalogue.base import Frozen, Name, ProducerName, Text
from readiness.lib.statistics import GATE_LEVEL, Direction, n_for_half_width

Unit = Literal["%", "ms", "s", "days", "$", "count", ""]
"""How a number is written. ``%`` quantities are stored as shares (0.05 is shown as 5 %), ``$`` in US dollars;
the empty unit is a plain ratio or coefficient."""

Requirement = Literal["latency_p95_ms", "ttft_p95_ms", "cost_per_request", "budget_per_month"]
"""A limit that the project sets for itself and that takes the place of the shipped threshold."""

Number = StrictFloat | StrictInt
Share = Annotated[StrictFloat | StrictInt, Field(ge=0, le=1)]
OpenShare = Annotated[StrictFloat, Field(gt=0, lt=1)]
Level = Annotated[StrictFloat, Field(ge=0.8, lt=1)]
"""Confidence of a one-sided bound."""


class _Part(Frozen):
    type: str
    name: Name
    label: Text
    producer: ProducerName | None = None
    """Taken from the criterion where the file does not say otherwise."""
    attested: StrictBool = False
    """True when this part rests on a person's word, so that it can give no more than ATTESTED."""

    @property
    def direction(self) -> Direction:
        return Direction.AT_MOST if self.type.endswith("_at_most") else Direction.AT_LEAST


class RateRule(_Part):
    """A proportion in a sample, judged by its exact (Clopper-Pearson) bound."""

    type: Literal["rate_at_least", "rate_at_most"]
    threshold: OpenShare
    level: Level = GATE_LEVEL
    unit: Literal["%"] = "%"


class OwnLimit(_Part):
    """A threshold that is shipped, set by the project, or shipped until the project sets its own."""

    threshold: Number | None = None
    requirement: Requirement | None = None

    @model_validator(mode="after")
    def _has_a_threshold(self) -> Self:
        if self.threshold is None and self.requirement is None:
            raise ValueError("give a threshold, or the requirement of the project that sets it")
        return self


class EstimateRule(OwnLimit):
    """A mean, difference or coefficient with an interval, judged by its bound."""

    type: Literal["estimate_at_least", "estimate_at_most"]
    level: Level = GATE_LEVEL
    unit: Unit = ""


class QuantileRule(OwnLimit):
    """A quantile of a sample, such as the p95 of latency, judged by its distribution-free bound."""

    type: Literal["quantile_at_most"]
    quantile: OpenShare
    level: Level = GATE_LEVEL
    unit: Unit = ""


class ValueRule(OwnLimit):
    """A number without sampling error: an age, a configured figure, a timed drill."""

    type: Literal["value_at_least", "value_at_most"]
    unit: Unit = ""


class CountRule(_Part):
    """How many there are, all of them counted."""

    type: Literal["count_at_least", "count_at_most"]
    threshold: Annotated[StrictInt, Field(ge=0)]
    unit: Literal["count"] = "count"


class ShareRule(_Part):
    """A share of everything there is, not of a sample; its n is shown, its interval is not needed."""

    type: Literal["share_at_least", "share_at_most"]
    threshold: Share
    unit: Literal["%"] = "%"


class FactRule(_Part):
    """Something that is so (1) or is not (0)."""

    type: Literal["fact"]
    threshold: Literal[1] = 1
    unit: Literal["count"] = "count"


class SampleRule(_Part):
    """How much must have been looked at: a fixed count, or the size that a wanted precision asks for."""

    type: Literal["sample_at_least"]
    threshold: Annotated[StrictInt, Field(ge=1)] | None = None
    half_width: OpenShare | None = None
    """Wanted half-width of the interval of a rate; the size is computed from it, never typed."""
    at_rate: OpenShare | None = None
    """The rate at which that half-width is wanted."""
    unit: Literal["count"] = "count"

    @model_validator(mode="after")
    def _is_a_count_or_a_precision(self) -> Self:
        precision = (self.half_width is not None, self.at_rate is not None)
        if precision not in {(True, True), (False, False)} or (self.threshold is None) != all(precision):
            raise ValueError("give either a threshold, or half_width together with at_rate")
        return self

    @property
    def needed(self) -> int:
        """How many are enough."""
        if self.threshold is not None:
            return self.threshold
        assert self.at_rate is not None
        assert self.half_width is not None
        return n_for_half_width(self.at_rate, self.half_width)


SampledRule = RateRule | EstimateRule | QuantileRule
PartRule = Annotated[
    RateRule | EstimateRule | QuantileRule | ValueRule | CountRule | ShareRule | FactRule | SampleRule,
    Field(discriminator="type"),
]

"""Faults on request: planned over HTTP, or asked for by one request's header."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from readiness.simulator.wire import ApiError, bad_request

MAX_PLANNED = 1_000


class FaultKind(StrEnum):
    """What goes wrong."""

    RATE_LIMIT = "429"
    BILLING = "billing"
    """429 with ``insufficient_quota``; on Anthropic's wire 402 with ``billing_error``."""
    RAMP = "ramp"
    """429 with ``slow_down``: too fast a rise of requests."""
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    OVERLOADED = "529"
    SLOW = "slow"
    CUT = "cut"
    """The answer stops half-way and the connection is closed."""
    OUTAGE = "outage"
    """The connection is closed without an answer."""


class Fault(BaseModel):
    """One fault. ``retry_after`` and ``delay`` are real seconds, whatever the service's speed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Annotated[FaultKind, BeforeValidator(lambda kind: str(kind) if isinstance(kind, int) else kind)]
    retry_after: float | None = Field(default=None, ge=0, le=86_400)
    """Sent with 429, ramp, 503 and 529; a 429 without it gets one second, the others none."""
    delay: float = Field(default=10.0, ge=0, le=3_600)
    """How much longer a slow request takes before its first byte."""


class FaultPlan(Fault):
    """A fault for the next ``count`` requests, or for ``seconds``, of one model or of all."""

    model: str | None = None
    count: int | None = Field(default=None, ge=1, le=1_000_000)
    seconds: float | None = Field(default=None, gt=0, le=86_400)

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.count is None) == (self.seconds is None):
            raise ValueError("give either count or seconds")
        return self


@dataclass(slots=True)
class _Planned:
    plan: FaultPlan
    left: float
    until: float


class Faults:
    """The faults that are planned, oldest first."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []

    def add(self, plan: FaultPlan, now: float) -> None:
        """Plan a fault. Raises ``ApiError`` 409 when there are too many already."""
        if len(self._planned) >= MAX_PLANNED:
            raise ApiError(409, "Too many faults are planned. Call POST /sim/reset to clear them.")
        until = math.inf if plan.seconds is None else now + plan.seconds
        self._planned.append(_Planned(plan, math.inf if plan.count is None else plan.count, until))

    def take(self, model: str, now: float) -> Fault | None:
        """The fault that the model's next request meets, used up by it; None for a healthy one."""
        self._planned = [each for each in self._planned if each.left > 0 and now < each.until]
        for each in self._planned:
            if each.plan.model in (None, model):
                each.left -= 1
                return each.plan
        return None


def parse_fault_header(value: str) -> Fault:
    """The fault of an ``X-Sim-Fault`` header: ``500``, ``429; retry_after=3``, ``slow; delay=0.5``.

    Raises ``ApiError`` 400 for anything else.
    """
    kind, *options = (part.strip() for part in value.split(";"))
    fields = dict(option.partition("=")[::2] for option in options)
    try:
        return Fault.model_validate({**fields, "kind": kind})
    except ValidationError as error:
        raise bad_request(error) from None

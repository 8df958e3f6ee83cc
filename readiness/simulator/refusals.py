"""What the service says when it does not answer, in words that a dialect gives their shape."""

import math

from readiness.simulator.faults import Fault, FaultKind
from readiness.simulator.quota import Account, Refusal
from readiness.simulator.wire import ApiError, Dialect, format_duration

_INJECTED_RETRY_SECONDS = 1.0

REFUSING = {FaultKind.RATE_LIMIT, FaultKind.BILLING, FaultKind.RAMP}
"""Faults that are answered before the quota is looked at."""


class Telling:
    """The headers that a reply tells about limits; of a silent model, none at all."""

    def __init__(self, dialect: Dialect, account: Account, *, silent: bool, now: float, unix: float) -> None:
        """``now`` on the service's clock and ``unix`` are the same moment: when the request came."""
        self._dialect = dialect
        self._account = account
        self._silent = silent
        self._now = now
        self._unix = unix

    def limits(self) -> dict[str, str]:
        """How the limits stand."""
        if self._silent:
            return {}
        return self._dialect.limit_headers(self._account.readings(self._now), self._unix)

    def retry(self, seconds: float | None) -> dict[str, str]:
        """How long to wait; nothing where that is not told, or cannot help."""
        if self._silent or seconds is None or math.isinf(seconds):
            return {}
        return self._dialect.retry_headers(seconds)


def context_exceeded(limit: int, input_tokens: int, max_tokens: int) -> ApiError:
    """A 400: the request is larger than the model."""
    return ApiError(
        400,
        f"This model's maximum context length is {limit} tokens. You asked for {input_tokens} in the "
        f"messages and {max_tokens} in the completion.",
        code="context_length_exceeded",
        param="messages",
    )


def rate_limited(model: str, refusal: Refusal, telling: Telling) -> ApiError:
    """The quota's 429, with the numbers."""
    if math.isinf(refusal.seconds):
        message = (
            f"Request too large for {model} on {refusal.limit}: Limit {refusal.capacity}, Requested "
            f"{refusal.requested}. The input or output tokens must be reduced in order to run successfully."
        )
    else:
        message = (
            f"Rate limit reached for {model} on {refusal.limit}: Limit {refusal.capacity}, Used "
            f"{refusal.used}, Requested {refusal.requested}. Please try again in "
            f"{format_duration(refusal.seconds)}."
        )
    return _too_many(message, refusal.kind, "rate_limit_exceeded", telling, refusal.seconds)


def injected(model: str, fault: Fault, telling: Telling) -> ApiError:
    """The answer to a fault of ``REFUSING``."""
    if fault.kind is FaultKind.BILLING:
        message = "You exceeded your current quota, please check your plan and billing details."
        return _too_many(message, "insufficient_quota", "insufficient_quota", telling, None)
    if fault.kind is FaultKind.RAMP:
        message = (
            "Your rate of requests rises too fast (acceleration limit). Slow down, then raise it gradually."
        )
        return _too_many(message, "requests", "slow_down", telling, fault.retry_after)
    seconds = _INJECTED_RETRY_SECONDS if fault.retry_after is None else fault.retry_after
    wait = format_duration(seconds)
    message = f"Rate limit reached for {model}, as a fault was asked for. Please try again in {wait}."
    return _too_many(message, "requests", "rate_limit_exceeded", telling, seconds)


def _too_many(message: str, kind: str, code: str, telling: Telling, seconds: float | None) -> ApiError:
    headers = {**telling.limits(), **telling.retry(seconds)}
    return ApiError(429, message, type_=kind, code=code, headers=headers)


def server_error(fault: Fault | None, fails: bool, telling: Telling) -> ApiError | None:
    """What an admitted request is answered with instead of a completion, if anything."""
    kind = fault.kind if fault is not None else None
    if fault is not None and kind in {FaultKind.UNAVAILABLE, FaultKind.OVERLOADED}:
        headers = {**telling.limits(), **telling.retry(fault.retry_after)}
        message = "The engine is currently overloaded, please try again later."
        return ApiError(int(fault.kind), message, type_="server_error", code="overloaded", headers=headers)
    if fails or kind is FaultKind.SERVER_ERROR:
        message = "The server had an error while processing your request."
        return ApiError(500, message, type_="server_error", headers=telling.limits())
    return None

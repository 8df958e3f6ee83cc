"""What goes into the limiter and what comes out: tickets, permits, refusals."""

from dataclasses import dataclass

from readiness.lib.events import UsageEvent
from readiness.providers.base import Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One attempt that asks for a permit."""

    id: str
    """Unique per attempt; the id of its usage event too."""
    upstream: str
    quota: Quota
    """The provider's limits as the deployment has them now; the limiter takes over what differs."""
    tier: str
    tenant: str
    """Tenants of a tier share it equally."""
    tokens: int
    """What the provider's rate limit will take for the request, at most."""
    event: UsageEvent
    """What is recorded when the attempt is refused, expires or is orphaned: tokens and cost estimated."""
    longest_wait_s: float | None = None
    """None for the tier's own longest wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to send one attempt; holds its place until it is settled."""

    id: str
    upstream: str
    tokens: int
    queue_ms: int
    queued: bool
    """True when it had to wait."""
    wait_left_s: float
    """What is left of the longest wait, for a further attempt of the same request."""


class LimiterUnavailableError(Exception):
    """Redis did not answer in time; nothing was admitted."""

    def __init__(self) -> None:
        super().__init__(
            "The shared limiter cannot be reached because Redis does not answer. No call was sent; "
            "try again when Redis is back."
        )


REFUSALS = {
    "too_large": "This request asks for more tokens than the provider's whole limit per minute. "
    "Ask for fewer output tokens or shorten it.",
    "too_large_for_tier": "This request asks for more tokens than its tier may use per minute. "
    "Ask for fewer output tokens, or raise the tier's limit.",
    "would_time_out": "The queue is too long to serve this request within its longest wait.",
    "timed_out": "The request waited as long as it may and was not served.",
    "abandoned": "The process that waited for this request stopped answering.",
    "queue_full": "Too many requests wait for this provider already.",
    "recorder_behind": "Usage records are not being written fast enough. Check that the recorder runs.",
    "out_of_credit": "The provider says that the account is out of credit. Calls stop until an admin has "
    "paid the provider and resumed this deployment on the limits page.",
}


class RefusedError(Exception):
    """Our own limits said no. ``str(error)`` is plain words for a person."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(REFUSALS[reason])
        self.reason = reason
        """Stable word: a key of ``REFUSALS``."""
        self.retry_after_s = retry_after_s
        """Seconds until another try makes sense; 0 where waiting does not help."""

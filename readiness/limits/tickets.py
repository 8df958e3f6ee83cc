"""What goes into the limiter and what comes out: tickets, permits, outcomes, refusals."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from readiness.lib.events import UsageEvent
from readiness.lib.scopes import Scope, ScopeKind
from readiness.providers.base import Quota

UNITS = ("requests", "tokens", "input_tokens", "output_tokens")
"""Entries of a cost, in the scripts' order; there they are numbered from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one request takes of a provider's limits; which of them count is the quota's affair."""

    requests: int = 1
    tokens: int = 0
    """As an OpenAI-style limit counts them: the larger of the output limit and the estimated input."""
    input_tokens: int = 0
    """Without cached ones."""
    output_tokens: int = 0

    def to_args(self) -> tuple[int, int, int, int]:
        """In the scripts' order."""
        return (self.requests, self.tokens, self.input_tokens, self.output_tokens)


NO_COST = Cost(requests=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One attempt that asks for a permit."""

    id: str
    """Unique per attempt; the id of its usage event too."""
    upstream: str
    quota: Quota
    """Of the upstream, for when Redis does not know it or does not answer."""
    tier: str
    tenant: str
    """Tenants of a tier share it equally."""
    cost: Cost
    """At most."""
    event: UsageEvent
    """What is recorded when the attempt is refused, expires or is orphaned: tokens and cost estimated. It
    also names the project, the API key and the end user whose caps apply."""
    account: str = ""
    """The limiter's name of the account above, where that has limits."""
    account_quota: Quota | None = None
    longest_wait_s: float | None = None
    """None for the tier's own longest wait."""
    patient: bool = False
    """True for work that nobody waits for, such as a benchmark: without Redis it is not sent at all."""

    def lines(self) -> tuple[str, str, str]:
        """Names of the line in the queue, the most particular first; '' where there can be none."""
        tier = Scope(kind=ScopeKind.TIER, tier=self.tier)
        event = self.event
        of_project = Scope(kind=ScopeKind.TIER, tier=self.tier, project_id=event.project_id)
        of_user = Scope(
            kind=ScopeKind.TIER, tier=self.tier, project_id=event.project_id, end_user=event.end_user
        )
        return (
            str(of_user) if event.end_user else "",
            str(of_project) if event.project_id else "",
            str(tier),
        )

    def caps(self) -> tuple[str, str, str, str, str]:
        """Names of what caps the call: site, project, API key, end user, each end user."""
        event = self.event
        project = Scope(kind=ScopeKind.PROJECT, project_id=event.project_id)
        key = Scope(kind=ScopeKind.API_KEY, api_key=event.api_key)
        user = Scope(kind=ScopeKind.END_USER, project_id=event.project_id, end_user=event.end_user)
        return (
            "cap:site",
            f"cap:{project}" if event.project_id else "",
            f"cap:{key}" if event.api_key else "",
            f"cap:{user}" if event.end_user else "",
            f"cap:users:{event.project_id}" if event.end_user else "",
        )

    def scopes(self) -> list[str]:
        """Every scope whose money the call may count for."""
        capped = [name.removeprefix("cap:") for name in self.caps()[:4] if name]
        return [*capped, *(name for name in self.lines() if name)]

    def to_args(
        self, *, lease_ms: int, longest_wait_ms: int | None, most_waiters: int, most_events: int
    ) -> tuple[object, ...]:
        """Arguments of the ``enqueue`` script."""
        return (
            self.id,
            *self.lines(),
            *self.caps(),
            self.tenant,
            *self.cost.to_args()[1:],
            self.event.cost_nanos,
            longest_wait_ms,
            lease_ms,
            json.dumps(self.event.to_fields()),
            most_waiters,
            most_events,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to send one attempt; holds its place until it is settled."""

    ticket: Ticket
    queue_ms: int
    wait_left_s: float
    """What is left of the longest wait, for a further attempt of the same request."""
    granted_at: float | None
    """By the event loop's clock: earlier than the grant by no more than its call to Redis took. None where it
    is not known, because an answer was lost."""
    degraded: bool = False
    """True when this process admitted the attempt by itself, because Redis did not answer."""

    @property
    def id(self) -> str:
        return self.ticket.id

    @property
    def upstream(self) -> str:
        return self.ticket.upstream

    def sent_ms(self, now: float) -> int | None:
        """Milliseconds from the grant until the call is sent ``now``, at most; for ``Outcome.sent_ms``.

        Everything in between counts: a message that waited in the inbox, a grant that a heartbeat found.
        """
        return None if self.granted_at is None else max(0, round((now - self.granted_at) * 1000))

    @property
    def queued(self) -> bool:
        return self.queue_ms > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderWord:
    """What a provider's answer said of our rate, for everybody at the upstream."""

    kind: str = ""
    """``ok``, ``rate``, ``ramp``, ``concurrency``, ``overloaded``, ``fault``, ``unreachable``,
    ``out_of_credit``, or ''."""
    retry_after_s: float | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    """By unit, see ``UNITS``."""
    remaining: Mapping[str, int] = field(default_factory=dict)
    age_ms: int = 0
    """Since the headers arrived."""

    def when_late(self) -> "ProviderWord":
        """What still holds of it after an outage of Redis.

        A pause is over by then, levels are others, and refusals and faults of minutes ago would count as
        many of now, one after the other. Nobody pays the provider within a few minutes without a word.
        """
        return ProviderWord(kind=self.kind if self.kind == "out_of_credit" else "")

    def to_args(self, jitter_ms: int) -> tuple[object, ...]:
        """Arguments of the ``settle`` and ``feedback`` scripts: kind to remaining."""
        retry_after_ms = None if self.retry_after_s is None else round(self.retry_after_s * 1000)
        limits, remaining = map(self.limits.get, UNITS), map(self.remaining.get, UNITS)
        return (self.kind, retry_after_ms, jitter_ms, *limits, *remaining)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    event: UsageEvent
    cost: Cost
    """What the provider's limits were really charged."""
    word: ProviderWord = field(default_factory=ProviderWord)
    sent_ms: int | None = None
    """From the grant until the request was on its way; None when it never was, or nobody knows."""


class LimiterUnavailableError(Exception):
    """Redis did not answer in time; nothing was admitted."""

    def __init__(self) -> None:
        super().__init__(
            "The shared limiter cannot be reached because Redis does not answer. No call was sent; "
            "try again when Redis is back."
        )


REFUSALS = {
    "too_large": "This request asks for more tokens than the provider's whole limit. Ask for fewer output "
    "tokens or shorten it.",
    "too_large_for_tier": "This request asks for more tokens than its tier may use per minute. "
    "Ask for fewer output tokens, or raise the tier's limit.",
    "too_large_for_cap": "This request asks for more tokens than may be used per minute here at all. "
    "Ask for fewer output tokens, or have the allowance raised.",
    "over_cap": "The requests or tokens allowed per minute are used up.",
    "budget_exceeded": "The money allowed for the day or month is used up.",
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

    def __init__(self, reason: str, retry_after_s: float, limit: str = "") -> None:
        super().__init__(REFUSALS.get(reason, "A limit said no."))  # a newer version may know more reasons
        self.reason = reason
        """Stable word: a key of ``REFUSALS``."""
        self.retry_after_s = retry_after_s
        """Seconds until another try makes sense; 0 where waiting does not help."""
        self.limit = limit
        """Which limit and whose: a scope and what of it is used up, e.g. ``project:12 day``."""

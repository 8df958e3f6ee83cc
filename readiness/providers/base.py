"""What every provider client speaks: requests, replies, and one error tree.

The tree follows what a caller must do, not which status code came: pause, back off, retry, or give up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """An answer that was recorded elsewhere, handed to the recorded client by whoever owns the recording."""

    text: str
    model: str
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One attempt at a chat completion."""

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Further wire parameters such as ``temperature``."""
    stream: bool = True
    """Streaming is the default because only a stream shows the time to first token."""
    request_id: str = ""
    """Sent as ``X-Request-Id``, so that the provider's log and ours can be matched."""
    timeout_s: float = 120.0
    replay: Replay | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; ``estimated`` where it sent no usage."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitHeaders:
    """What the provider said of its minute's quota in a response, by unit; a unit it did not tell is absent.

    Units: ``requests``, ``tokens``, ``input_tokens``, ``output_tokens``.
    """

    limit: Mapping[str, int] = field(default_factory=dict)
    remaining: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    text: str
    model: str
    """Model id as returned."""
    usage: Usage
    finish_reason: str
    latency_ms: int | None
    """From sending the request to the last byte. None for a replay without a recorded time."""
    ttft_ms: int | None
    """To the first content; None without streaming."""
    rate_limits: RateLimitHeaders = field(default_factory=RateLimitHeaders)
    headers_age_ms: int = 0
    """From the arrival of the headers, and so of ``rate_limits``, to the end of the answer."""
    http_status: int = 200
    simulated: bool = False
    """The reply came from the simulated AI service: it says so in the header ``x-simulated``."""


class ProviderError(Exception):
    """An attempt failed. ``str(error)`` is plain words for a person, without any secret."""

    retryable = False
    label = "error"
    """Stable word for records and charts."""
    signal = ""
    """What everybody at the upstream must learn of it; empty where only our request was at fault."""

    def __init__(
        self,
        message: str,
        *,
        http_status: int = 0,
        retry_after_s: float | None = None,
        rate_limits: RateLimitHeaders | None = None,
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.rate_limits = rate_limits or RateLimitHeaders()


class RateLimitedError(ProviderError):
    """429 for our quota: everybody who uses this upstream pauses until ``retry_after_s``."""

    retryable = True
    label = "rate_limited"
    signal = "rate"


class RampLimitedError(RateLimitedError):
    """429 for too fast a rise: slow down, without a long pause."""

    label = "ramp_limited"
    signal = "ramp"


class ConcurrencyLimitedError(RateLimitedError):
    """429 for too many calls at once: their number comes down; a pause would help nobody."""

    label = "concurrency_limited"
    signal = "concurrency"


class OutOfCreditError(ProviderError):
    """429 or 402 for money: never retried, opens the circuit, tells an admin."""

    label = "out_of_credit"
    signal = "out_of_credit"


class OverloadedError(ProviderError):
    """503 or 529: the provider is busy. Back off; the quota is not the reason."""

    retryable = True
    label = "overloaded"
    signal = "overloaded"


class ProviderFaultError(ProviderError):
    """408, 5xx, a broken connection, a cut stream, an answer that is no answer."""

    retryable = True
    label = "provider_fault"
    signal = "fault"


class BrokenOffError(ProviderFaultError):
    """The answer had begun, or was waited for in vain: what it cost is not known."""


class UnreachableError(ProviderFaultError):
    """No connection at all: wrong address, refused, TLS failure. Nothing was charged."""

    label = "unreachable"
    signal = "unreachable"


class RefusedAddressError(UnreachableError):
    """The base URL leads where this site must not connect. Nothing was sent, and trying again is no use."""

    retryable = False
    label = "refused_address"
    signal = ""


class BadCredentialError(ProviderError):
    """401 or 403: the key is wrong, or may not use this model."""

    label = "bad_credential"


class BadRequestError(ProviderError):
    """400, 404, 413, 422: our request is wrong and will be so again."""

    label = "bad_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """Result of "test connection" in plain words."""

    ok: bool
    message: str
    models: tuple[str, ...] = ()
    """Model ids that the account offers; empty where nothing could be listed."""
    simulated: bool = False


class Endpoint(Protocol):
    """Where a client connects, and as whom; every ``DeploymentSpec`` is one."""

    @property
    def kind(self) -> str: ...

    @property
    def base_url(self) -> str: ...

    @property
    def credential(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """A provider account detached from the database, for calls that need no deployment."""

    kind: str
    base_url: str
    credential: str = field(repr=False)


class ProviderClient(Protocol):
    """Async client of one provider account; safe to share between tasks of one event loop."""

    is_replay: bool
    """True when no request is made: such calls take no permit and leave no request record."""

    async def chat(self, request: ChatRequest) -> ChatReply:
        """One attempt. Raises a ``ProviderError``; never retries by itself."""
        ...

    async def check(self) -> ConnectionReport:
        """Whether address and credential work, without spending tokens."""
        ...

    async def aclose(self) -> None: ...


class Accounting(StrEnum):
    """How a provider counts tokens against its limits."""

    OPENAI = "openai"
    """The larger of the longest answer and an estimate, when the request arrives; nothing is given back."""
    ANTHROPIC = "anthropic"
    """Input without its cached part, and the real output, each with a limit of its own."""


class WindowKind(StrEnum):
    """How a limit comes back after it was used."""

    CONTINUOUS = "continuous"
    """Steadily: a tenth of the limit in a tenth of the window."""
    SLIDING = "sliding"
    """Each use leaves the count one window after it was made."""
    FIXED = "fixed"
    """All at once, at the edges of the clock's minutes or days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A provider's limits for one upstream and how it counts them; a limit is None where there is none."""

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    tpd: int | None = None
    itpm: int | None = None
    """Input tokens per minute."""
    otpm: int | None = None
    """Output tokens per minute."""
    concurrency: int | None = None
    accounting: Accounting = Accounting.OPENAI
    window: WindowKind = WindowKind.CONTINUOUS
    """Of the limits per minute."""
    day_window: WindowKind = WindowKind.CONTINUOUS
    """Of the limits per day."""
    zone: str = "UTC"
    """Fixed days begin at midnight of this IANA time zone."""
    edge_s: int = 0
    """Second of the minute, 0 to 59, at which fixed minutes begin."""
    jitter_ms: int = 500
    """Most that the time on the way to the provider is expected to vary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """All that a call needs to know of a deployment, detached from the database."""

    id: int
    account_id: int
    label: str
    kind: str
    base_url: str
    credential: str = field(repr=False)
    model: str
    parameters: Mapping[str, object]
    max_output_tokens: int
    quota: Quota
    account_quota: Quota | None = None
    """Limits of the whole account, above those of its models; None where it has none."""
    simulated: bool
    prices: "PriceTable"

    @property
    def upstream(self) -> str:
        """Name of the shared queue in front of this credential and model."""
        return f"d{self.id}"

    @property
    def account_upstream(self) -> str:
        """Name under which all deployments of the account count together."""
        return f"a{self.account_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Nano-dollars per unit. Cached input tokens are a part of the input tokens, at a price of their own."""

    input_token: float = 0.0
    cached_input_token: float = 0.0
    output_token: float = 0.0
    request: float = 0.0

    def cost_nanos(self, usage: Usage) -> int:
        fresh = usage.input_tokens - usage.cached_input_tokens
        total = (
            fresh * self.input_token
            + usage.cached_input_tokens * self.cached_input_token
            + usage.output_tokens * self.output_token
            + self.request
        )
        return round(total)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable(Rates):
    """Prices on the day the spec was made; ``known`` is False where nobody knows the price."""

    known: bool
    long_inputs: tuple[tuple[int, Rates], ...] = ()
    """(input tokens, rates), ascending: a request with more input tokens pays these rates throughout."""
    source: str = ""
    """Where the price comes from in words: ``genai-prices 0.2.3``, ``override from 2026-06-01``."""

    def cost_nanos(self, usage: Usage) -> int:
        """Cost of one request in nano-dollars."""
        for above, rates in reversed(self.long_inputs):
            if usage.input_tokens > above:
                return rates.cost_nanos(usage)
        # Named in full because a dataclass with slots is another class than the one ``super()`` remembers.
        return Rates.cost_nanos(self, usage)

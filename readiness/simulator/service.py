"""The simulated service's state and its decisions: who is let in, what meets a fault, what is said."""

import math
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from readiness.lib.tokens import CHARACTERS_PER_TOKEN, estimate_tokens, openai_token_charge
from readiness.simulator import chance
from readiness.simulator.answers import answer
from readiness.simulator.clock import Clock
from readiness.simulator.faults import Fault, FaultKind, Faults
from readiness.simulator.judge import judge
from readiness.simulator.ledger import Entry, Ledger
from readiness.simulator.profiles import ModelProfile
from readiness.simulator.quota import Account, Accounts, Refusal, format_duration
from readiness.simulator.reading import read_judging_task, read_task
from readiness.simulator.wire import ApiError, ChatRequest, Completion, Usage

Sleep = Callable[[float], Awaitable[None]]

_INJECTED_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that the quota took, with everything that decides how it goes on. Times in real seconds."""

    chat: ChatRequest
    profile: ModelProfile
    entry: Entry
    fault: Fault | None
    max_tokens: int
    first_token_after: float
    seconds_per_token: float
    error: ApiError | None
    """What it is answered with instead of a completion."""
    headers: Mapping[str, str]

    @property
    def is_cut(self) -> bool:
        """True when the answer is to be broken off half-way."""
        return self.fault is not None and self.fault.kind is FaultKind.CUT


class Simulator:
    """Models, quotas, faults and ledger of one service. ``speed`` divides every latency."""

    def __init__(
        self,
        *,
        profiles: Mapping[str, ModelProfile],
        seed: int,
        speed: float,
        key_prefix: str,
        clock: Clock,
        sleep: Sleep,
    ) -> None:
        self.models = dict(profiles)
        self.key_prefix = key_prefix
        self.clock = clock
        self.sleep = sleep
        self._seed = seed
        self._speed = speed
        self.reset()

    def reset(self) -> None:
        """Empty the ledger, refill quotas, drop planned faults, restart random choices. Models stay.

        Requests in flight end in the ledger and on the account that they began with.
        """
        self.ledger = Ledger(self.clock)
        self.faults = Faults()
        self._accounts = Accounts()
        self._random = chance.stream(self._seed)

    def admit(self, chat: ChatRequest, key: str, request_id: str, fault: Fault | None) -> Admitted:
        """Let a request to a known model in and charge it. Raises ``ApiError`` 400 or 429."""
        profile, now = self.models[chat.model], self.clock.now()
        fault = fault or self.faults.take(chat.model, now)
        entry = self.ledger.open(
            request_id=request_id,
            model=chat.model,
            stream=bool(chat.stream),
            fault=fault.kind if fault else "",
        )
        input_tokens = estimate_tokens(chat.texts)
        max_tokens = chat.stated_max_tokens or profile.default_max_tokens
        if input_tokens + max_tokens > profile.context_tokens:
            entry.refuse("invalid", 400)
            raise _context_exceeded(profile.context_tokens, input_tokens, max_tokens)
        account = self._accounts.find(key, chat.model, profile.quota, now)
        if fault is not None and fault.kind is FaultKind.RATE_LIMIT:
            entry.refuse("fault_429", 429)
            raise _injected_rate_limit(chat.model, fault, account.headers(now))
        charge = openai_token_charge(chat.texts, max_tokens)
        refusal = account.admit(charge, now)
        if refusal is not None:
            entry.refuse("quota_429", 429)
            raise _rate_limited(chat.model, refusal, account.headers(now))
        entry.admit(input_tokens, charge, account.release)
        return self._admitted(chat, profile, entry, fault, max_tokens, account)

    def _admitted(
        self,
        chat: ChatRequest,
        profile: ModelProfile,
        entry: Entry,
        fault: Fault | None,
        max_tokens: int,
        account: Account,
    ) -> Admitted:
        extra = fault.delay if fault is not None and fault.kind is FaultKind.SLOW else 0.0
        fails = self._random.random() < profile.error_rate
        headers = account.headers(self.clock.now())
        return Admitted(
            chat=chat,
            profile=profile,
            entry=entry,
            fault=fault,
            max_tokens=max_tokens,
            first_token_after=profile.ttft_seconds.sample(self._random) / self._speed + extra,
            seconds_per_token=1 / profile.tokens_per_second.sample(self._random) / self._speed,
            error=_server_error(fault, fails, headers),
            headers=headers,
        )

    def compose(self, admitted: Admitted) -> Completion:
        """What the model says, cut at the request's output limit; what it invented is noted in the ledger."""
        chat, entry = admitted.chat, admitted.entry
        text = self._say(admitted)
        longest = admitted.max_tokens * CHARACTERS_PER_TOKEN
        if entry.alteration is not None and entry.alteration.end > longest:
            entry.alteration = None  # the reader never sees it
        kept = text[:longest]
        return Completion(
            id=f"chatcmpl-{uuid.uuid4().hex}",
            created=int(self.clock.unix()),
            model=chat.model,
            text=kept,
            truncated=len(text) > longest,
            usage=Usage(entry.input_tokens, estimate_tokens([kept])),
        )

    def _say(self, admitted: Admitted) -> str:
        chat, profile, entry = admitted.chat, admitted.profile, admitted.entry
        asked = [part for message in chat.messages for part in (message.role, *message.content)]
        random = chance.draws(self._seed, chat.model, asked, self._nonce(chat))
        task = read_judging_task(chat.messages) if profile.judge else None
        if task is not None:
            verdict = judge(task, random, profile.verdict_error_rate)
            entry.turned_verdict = verdict.turned
            return verdict.to_json()
        said = answer(read_task(chat.messages), random, profile.hallucination_rate)
        entry.alteration = said.alteration
        return said.text

    def _nonce(self, chat: ChatRequest) -> int:
        """0 for the model's settled answer. The warmer the request, the likelier another sample of it."""
        temperature = 1.0 if chat.temperature is None else chat.temperature
        if temperature == 0:
            return 0
        if chat.seed is not None:
            return chat.seed
        return self._random.getrandbits(64) if self._random.random() < temperature else 0


def _context_exceeded(limit: int, input_tokens: int, max_tokens: int) -> ApiError:
    return ApiError(
        400,
        f"This model's maximum context length is {limit} tokens. You asked for {input_tokens} in the "
        f"messages and {max_tokens} in the completion.",
        code="context_length_exceeded",
        param="messages",
    )


def _rate_limited(model: str, refusal: Refusal, headers: Mapping[str, str]) -> ApiError:
    used = f"Limit {refusal.capacity}, Used {refusal.used}, Requested {refusal.requested}."
    if math.isinf(refusal.seconds):
        message = (
            f"Request too large for {model} on {refusal.limit}: Limit {refusal.capacity}, Requested "
            f"{refusal.requested}. The input or output tokens must be reduced in order to run successfully."
        )
        return _too_many(message, refusal.kind, headers)
    wait = format_duration(refusal.seconds)
    message = f"Rate limit reached for {model} on {refusal.limit}: {used} Please try again in {wait}."
    return _too_many(message, refusal.kind, {**headers, **_retry_after(refusal.seconds)})


def _injected_rate_limit(model: str, fault: Fault, headers: Mapping[str, str]) -> ApiError:
    seconds = _INJECTED_RETRY_SECONDS if fault.retry_after is None else fault.retry_after
    wait = format_duration(seconds)
    message = f"Rate limit reached for {model}, as a fault was asked for. Please try again in {wait}."
    return _too_many(message, "requests", {**headers, **_retry_after(seconds)})


def _too_many(message: str, kind: str, headers: Mapping[str, str]) -> ApiError:
    return ApiError(429, message, type_=kind, code="rate_limit_exceeded", headers=headers)


def _server_error(fault: Fault | None, fails: bool, headers: Mapping[str, str]) -> ApiError | None:
    if fault is not None and fault.kind is FaultKind.OVERLOADED:
        retry = {} if fault.retry_after is None else _retry_after(fault.retry_after)
        message = "The engine is currently overloaded, please try again later."
        return ApiError(503, message, type_="server_error", code="overloaded", headers={**headers, **retry})
    if fails or (fault is not None and fault.kind is FaultKind.SERVER_ERROR):
        message = "The server had an error while processing your request."
        return ApiError(500, message, type_="server_error", headers=headers)
    return None


def _retry_after(seconds: float) -> dict[str, str]:
    """Whole seconds rounded up, as the standard header wants, and OpenAI's own in milliseconds."""
    return {
        "retry-after": str(math.ceil(seconds)),
        "retry-after-ms": str(math.ceil(round(seconds * 1000, 6))),
    }

"""The simulated service's state and its decisions: who is let in, what meets a fault, what is said."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from readiness.lib.tokens import CHARACTERS_PER_TOKEN, estimate_tokens, openai_token_charge
from readiness.simulator import chance, refusals
from readiness.simulator.answers import answer
from readiness.simulator.clock import Clock
from readiness.simulator.faults import Fault, FaultKind, Faults
from readiness.simulator.judge import judge
from readiness.simulator.ledger import Entry, Ledger
from readiness.simulator.profiles import Accounting, LimitSet, ModelProfile
from readiness.simulator.prompt_cache import PromptCache
from readiness.simulator.quota import Account, Accounts, Charge
from readiness.simulator.reading import read_judging_task, read_task
from readiness.simulator.refusals import Telling
from readiness.simulator.wire import ApiError, ChatRequest, Completion, Dialect, Usage

Sleep = Callable[[float], Awaitable[None]]


class OutageError(Exception):
    """The request is not answered at all: its connection is closed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One readable request to a known model."""

    key: str
    chat: ChatRequest
    prefix: tuple[str, ...]
    """The opening texts that the client wants cached."""
    fault: Fault | None
    request_id: str
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Size:
    """Tokens of a request, as the service counts them."""

    input_tokens: int
    cache_read_tokens: int
    """Part of the input that is held from an earlier request."""
    cache_written_tokens: int
    """Part of the input that is held from now on."""
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that the quota took, with everything that decides how it goes on. Times in real seconds."""

    call: Call
    profile: ModelProfile
    entry: Entry
    fault: Fault | None
    size: Size
    account: Account
    first_token_after: float
    seconds_per_token: float
    error: ApiError | None
    """What it is answered with instead of a completion."""
    headers: Mapping[str, str]

    @property
    def is_cut(self) -> bool:
        """True when the answer is to be broken off half-way."""
        return self.fault is not None and self.fault.kind is FaultKind.CUT

    @property
    def charges_output(self) -> bool:
        """True when output counts in the quota as it is produced."""
        return self.profile.quota.accounting is Accounting.ANTHROPIC


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
        self.account_limits = LimitSet()
        """Limits of each key above all models."""
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
        self._accounts = Accounts(self.clock.offset)
        self._prompt_cache = PromptCache()
        self._random = chance.stream(self._seed)

    async def travel(self, model: str) -> None:
        """The way of a request to the service, which takes a while where the model has jitter."""
        longest = self.models[model].jitter_seconds
        if longest > 0:
            await self.sleep(self._random.uniform(0.0, longest))

    def admit(self, call: Call) -> Admitted:
        """Let a request in and charge it. Raises ``ApiError`` 400 or 429, or ``OutageError``."""
        model, now = call.chat.model, self.clock.now()
        profile, fault = self.models[model], call.fault or self.faults.take(model, now)
        entry = self.ledger.open(
            request_id=call.request_id,
            model=model,
            stream=bool(call.chat.stream),
            fault=fault.kind if fault else "",
        )
        account = self._accounts.find(call.key, model, profile.quota, self.account_limits, now)
        telling = Telling(call.dialect, account, silent=not profile.headers, now=now, unix=entry.at)
        _meet(fault, model, entry, telling)
        size = self._measure(call, profile, now)
        if size.input_tokens + size.max_tokens > profile.context_tokens:
            entry.refuse("invalid", 400)
            raise refusals.context_exceeded(profile.context_tokens, size.input_tokens, size.max_tokens)
        charge = _charge(profile.quota.accounting, call.chat, size)
        refusal = account.admit(charge, now)
        if refusal is not None:
            entry.refuse("quota_429", 429, refusal.name)
            raise refusals.rate_limited(model, refusal, telling)
        entry.admit(size.input_tokens, charge, account.release, cached_tokens=size.cache_read_tokens)
        self._prompt_cache.keep(call.key, model, call.prefix, now)
        return self._admitted(call, profile, entry, fault, size, account, telling)

    def _measure(self, call: Call, profile: ModelProfile, now: float) -> Size:
        prefix = estimate_tokens(call.prefix)
        held = self._prompt_cache.holds(call.key, call.chat.model, call.prefix, now)
        return Size(
            input_tokens=estimate_tokens(call.chat.texts),
            cache_read_tokens=prefix if held else 0,
            cache_written_tokens=0 if held else prefix,
            max_tokens=call.chat.stated_max_tokens or profile.default_max_tokens,
        )

    def _admitted(
        self,
        call: Call,
        profile: ModelProfile,
        entry: Entry,
        fault: Fault | None,
        size: Size,
        account: Account,
        telling: Telling,
    ) -> Admitted:
        extra = fault.delay if fault is not None and fault.kind is FaultKind.SLOW else 0.0
        fails = self._random.random() < profile.error_rate
        return Admitted(
            call=call,
            profile=profile,
            entry=entry,
            fault=fault,
            size=size,
            account=account,
            first_token_after=profile.ttft_seconds.sample(self._random) / self._speed + extra,
            seconds_per_token=1 / profile.tokens_per_second.sample(self._random) / self._speed,
            error=refusals.server_error(fault, fails, telling),
            headers=telling.limits(),
        )

    def charge_output(self, admitted: Admitted, output_tokens: int) -> None:
        """Count output as it is produced, where the accounting does."""
        if admitted.charges_output and output_tokens:
            admitted.account.produce(output_tokens, self.clock.now())
            admitted.entry.produce(output_tokens)

    def compose(self, admitted: Admitted) -> Completion:
        """What the model says, cut at the request's output limit; what it invented is noted in the ledger."""
        chat, entry, size = admitted.call.chat, admitted.entry, admitted.size
        text = self._say(admitted)
        longest = size.max_tokens * CHARACTERS_PER_TOKEN
        if entry.alteration is not None and entry.alteration.end > longest:
            entry.alteration = None  # the reader never sees it
        kept = text[:longest]
        options = chat.stream_options
        return Completion(
            id=uuid.uuid4().hex,
            created=int(self.clock.unix()),
            model=chat.model,
            text=kept,
            truncated=len(text) > longest,
            usage=Usage(
                input_tokens=size.input_tokens,
                output_tokens=estimate_tokens([kept]),
                cache_read_tokens=size.cache_read_tokens,
                cache_written_tokens=size.cache_written_tokens,
            ),
            usage_in_stream=options is not None and options.include_usage,
        )

    def _say(self, admitted: Admitted) -> str:
        chat, profile, entry = admitted.call.chat, admitted.profile, admitted.entry
        if profile.fixed_answer is not None:
            return profile.fixed_answer
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


def _meet(fault: Fault | None, model: str, entry: Entry, telling: Telling) -> None:
    """Raises what a fault answers before the quota is looked at."""
    if fault is None:
        return
    if fault.kind is FaultKind.OUTAGE:
        entry.refuse("outage", 0)
        raise OutageError
    if fault.kind in refusals.REFUSING:
        entry.refuse("fault_429", 429)
        raise refusals.injected(model, fault, telling)


def _charge(accounting: Accounting, chat: ChatRequest, size: Size) -> Charge:
    if accounting is Accounting.ANTHROPIC:
        uncached = size.input_tokens - size.cache_read_tokens
        return Charge(tokens=uncached, input_tokens=uncached, output_later=True)
    tokens = openai_token_charge(chat.texts, size.max_tokens)
    return Charge(tokens=tokens, input_tokens=size.input_tokens, output_tokens=size.max_tokens)

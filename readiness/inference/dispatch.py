"""The one door to AI services: permit → provider → store → settle. Every call of every app goes through here.

Async only: a job crosses from sync to async once, at its top. Retries happen here and nowhere else, and each
attempt has a permit and a usage event of its own, because the provider charges each.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final
from uuid import uuid4

from asgiref.sync import sync_to_async

from readiness.lib.events import Outcome as Ending
from readiness.lib.events import Purpose, UsageEvent
from readiness.lib.tokens import estimate_tokens, openai_token_charge
from readiness.limits.alerts import tell_of_spent_credit
from readiness.limits.limiter import Limiter
from readiness.limits.tickets import NO_COST, Cost, Outcome, Permit, ProviderWord, Ticket
from readiness.providers.base import (
    BrokenOffError,
    ChatReply,
    ChatRequest,
    DeploymentSpec,
    Message,
    OutOfCreditError,
    ProviderClient,
    ProviderError,
    RateLimitedError,
    Replay,
    UnreachableError,
    Usage,
)
from readiness.providers.registry import ClientPool
from readiness.telemetry.queries import spent_nanos

logger = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 4
"""Faults of one request that are borne, the last one included; 429s are waited for instead."""

_FIRST_BACKOFF_S: Final = 0.5
_LONGEST_BACKOFF_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a model, whoever makes it."""

    spec: DeploymentSpec
    messages: tuple[Message, ...]
    max_tokens: int
    project_id: int
    tier: str
    tenant: str
    """Who shares the tier equally with others: a run, an end user."""
    purpose: Purpose
    end_user: str = ""
    """Whose caps and overrides apply, where an app says for whom it calls."""
    api_key: str = ""
    """Id of the key that a customer's app called with."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    run_id: str = ""
    prompt_hash: str = ""
    longest_wait_s: float | None = None
    """How long it may queue, all attempts together; None for the tier's own limit."""
    replay: Replay | None = None
    request_id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A delivered answer. Times in milliseconds, money in nano-dollars."""

    request_id: str
    text: str
    model: str
    usage: Usage
    cost_nanos: int
    latency_ms: int | None
    """Of the attempt that answered, without queue wait; None for a replay without a recorded time."""
    ttft_ms: int | None
    queue_ms: int
    """Wait for permits, all attempts together."""
    attempts: int
    finish_reason: str
    simulated: bool


Store = Callable[[Result], Awaitable[None]]


class Door:
    """Calls to models from one event loop; open it with ``open_door()``."""

    def __init__(self, limiter: Limiter, clients: ClientPool) -> None:
        self._limiter = limiter
        self._clients = clients

    async def dispatch(self, call: Call, *, store: Store | None = None) -> Result:
        """The answer. ``store`` makes it durable before its permit is settled: a paid answer is never lost.

        Raises the ``ProviderError`` of the last attempt, ``RefusedError`` when our limits say no, and
        ``LimiterUnavailableError`` when Redis does not answer for the whole of the longest wait.
        """
        client = self._clients.get(call.spec)
        if client.is_replay:
            return await self._replay(client, call, store)
        queue_ms, wait_left, faults = 0, call.longest_wait_s, 0
        for attempt in count(1):
            permit = await self._limiter.acquire(_ticket(call, attempt, wait_left))
            queue_ms, started = queue_ms + permit.queue_ms, time.monotonic()
            turn = _Turn(call=call, attempt=attempt, permit=permit, queue_ms=queue_ms, faults=faults)
            try:
                return await self._attempt(client, turn, store)
            except ProviderError as error:
                if not turn.goes_on_after(error):
                    raise
                faults += not isinstance(error, RateLimitedError)
                await asyncio.sleep(_backoff_s(error, faults))
                # Being refused is waiting too: otherwise refusals without a pause would go on for ever.
                refused_s = time.monotonic() - started if isinstance(error, RateLimitedError) else 0.0
                wait_left = max(0.0, permit.wait_left_s - refused_s)
        raise AssertionError("attempts do not run out of numbers")

    async def _replay(self, client: ProviderClient, call: Call, store: Store | None) -> Result:
        """A recorded answer: nobody is asked now, so there is no permit and no record."""
        result = _result(call, await client.chat(_request(call, 1)), attempt=1, queue_ms=0)
        if store:
            await store(result)
        return result

    async def _attempt(self, client: ProviderClient, turn: "_Turn", store: Store | None) -> Result:
        """One try at the provider, settled whatever comes of it."""
        call, permit = turn.call, turn.permit
        event = replace(permit.ticket.event, queue_ms=permit.queue_ms, queued=permit.queued)
        started = time.monotonic()
        sent_ms = permit.sent_ms(asyncio.get_running_loop().time())
        try:
            reply = await client.chat(_request(call, turn.attempt))
            result = _result(call, reply, attempt=turn.attempt, queue_ms=turn.queue_ms)
            delivered = _outcome_of_reply(permit, _delivered(event, reply, result), reply, sent_ms)
        except ProviderError as error:
            failed = _failed(event, error, started, final=not turn.goes_on_after(error))
            await self._limiter.settle(permit, _outcome_of_failure(permit, failed, error, sent_ms))
            if isinstance(error, OutOfCreditError):
                await _tell_of_spent_credit(call.spec.id)
            raise
        except BaseException as error:
            # The caller gave up, or a bug, of ours or in what was answered: the permit must not outlive it.
            ending = Ending.CANCELLED if isinstance(error, asyncio.CancelledError) else Ending.FAILED
            broken_off = replace(event, outcome=ending, provider_ms=_elapsed_ms(started))
            await self._limiter.settle(permit, Outcome(event=broken_off, cost=permit.ticket.cost))
            raise
        try:
            if store:
                await store(result)
        finally:
            await self._limiter.settle(permit, delivered)
        return result


async def _tell_of_spent_credit(deployment_id: int) -> None:
    """The caller hears what the provider said, whatever the database does; the sweep tells then."""
    try:
        await sync_to_async(tell_of_spent_credit)(deployment_id)
    except Exception:
        logger.exception("The alert that an account is out of credit could not be written.")


@asynccontextmanager
async def open_door(clients: ClientPool | None = None) -> AsyncIterator[Door]:
    """A door for the running event loop. ``clients`` is a seam for tests; it is closed on the way out."""
    async with Limiter.open(spending=spent_nanos) as limiter, clients or ClientPool() as pool:
        yield Door(limiter, pool)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One attempt of a call, with what came before it."""

    call: Call
    attempt: int
    permit: Permit
    queue_ms: int
    faults: int
    """Earlier attempts that failed for another reason than the rate limit."""

    def goes_on_after(self, error: ProviderError) -> bool:
        """A rate limit is waited for as long as the call may wait; faults have a budget of attempts."""
        if isinstance(error, RateLimitedError):
            return self.permit.wait_left_s > 0
        return error.retryable and self.faults + 1 < MAX_ATTEMPTS


def _backoff_s(error: ProviderError, faults: int) -> float:
    """Doubling with full jitter. A rate limit needs none: the limiter pauses everybody at the upstream."""
    if isinstance(error, RateLimitedError):
        return 0.0
    doubled = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2**faults)
    wished = min(_LONGEST_BACKOFF_S, error.retry_after_s or 0.0)
    return wished + random.uniform(0, doubled)  # noqa: S311


def _texts(call: Call) -> list[str]:
    return [message.content for message in call.messages]


def _event_id(call: Call, attempt: int) -> str:
    return f"{call.request_id}-{attempt}"


def _event(call: Call, attempt: int) -> UsageEvent:
    """What is known of an attempt before it is made; tokens and cost are at their most."""
    usage = Usage(input_tokens=estimate_tokens(_texts(call)), output_tokens=call.max_tokens, estimated=True)
    return UsageEvent(
        event_id=_event_id(call, attempt),
        request_id=call.request_id,
        attempt=attempt,
        project_id=call.project_id,
        deployment_id=call.spec.id,
        tier=call.tier,
        tenant=call.tenant,
        end_user=call.end_user,
        api_key=call.api_key,
        purpose=call.purpose,
        run_id=call.run_id,
        prompt_hash=call.prompt_hash,
        model=call.spec.model,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_nanos=call.spec.prices.cost_nanos(usage),
        simulated=call.spec.simulated,
    )


def _ticket(call: Call, attempt: int, longest_wait_s: float | None) -> Ticket:
    spec = call.spec
    return Ticket(
        id=_event_id(call, attempt),
        upstream=spec.upstream,
        quota=spec.quota,
        account=spec.account_upstream,
        account_quota=spec.account_quota,
        tier=call.tier,
        tenant=call.tenant,
        cost=Cost(
            tokens=openai_token_charge(_texts(call), call.max_tokens),
            input_tokens=estimate_tokens(_texts(call)),
            output_tokens=call.max_tokens,
        ),
        event=_event(call, attempt),
        longest_wait_s=longest_wait_s,
        patient=call.purpose is not Purpose.APP,
    )


def _outcome_of_reply(permit: Permit, event: UsageEvent, reply: ChatReply, sent_ms: int | None) -> Outcome:
    usage, headers = reply.usage, reply.rate_limits
    cost = replace(
        permit.ticket.cost,
        input_tokens=usage.input_tokens - usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
    )
    word = ProviderWord(
        kind="ok", limits=headers.limit, remaining=headers.remaining, age_ms=reply.headers_age_ms
    )
    return Outcome(event=event, cost=cost, word=word, sent_ms=sent_ms)


def _outcome_of_failure(
    permit: Permit, event: UsageEvent, error: ProviderError, sent_ms: int | None
) -> Outcome:
    """What a provider refuses or fails at may count in its limits all the same, but for output."""
    headers = error.rate_limits
    word = ProviderWord(
        kind=error.signal,
        retry_after_s=error.retry_after_s,
        limits=headers.limit,
        remaining=headers.remaining,
    )
    if isinstance(error, UnreachableError):
        return Outcome(event=event, cost=NO_COST, word=word)
    if isinstance(error, BrokenOffError):
        return Outcome(event=event, cost=permit.ticket.cost, word=word, sent_ms=sent_ms)
    return Outcome(event=event, cost=replace(permit.ticket.cost, output_tokens=0), word=word, sent_ms=sent_ms)


def _request(call: Call, attempt: int) -> ChatRequest:
    return ChatRequest(
        model=call.spec.model,
        messages=call.messages,
        max_tokens=call.max_tokens,
        parameters=call.parameters,
        request_id=_event_id(call, attempt),
        replay=call.replay,
    )


def _result(call: Call, reply: ChatReply, *, attempt: int, queue_ms: int) -> Result:
    return Result(
        request_id=call.request_id,
        text=reply.text,
        model=reply.model,
        usage=reply.usage,
        cost_nanos=call.spec.prices.cost_nanos(reply.usage),
        latency_ms=reply.latency_ms,
        ttft_ms=reply.ttft_ms,
        queue_ms=queue_ms,
        attempts=attempt,
        finish_reason=reply.finish_reason,
        simulated=call.spec.simulated or reply.simulated,
    )


def _failed(event: UsageEvent, error: ProviderError, started: float, *, final: bool) -> UsageEvent:
    """A failed attempt costs nothing that we know of; one that broke off keeps its estimate."""
    failed = replace(
        event,
        outcome=Ending.FAILED,
        final=final,
        http_status=error.http_status,
        error_class=error.label,
        provider_ms=_elapsed_ms(started),
    )
    if isinstance(error, BrokenOffError):
        return failed
    return replace(failed, input_tokens=0, output_tokens=0, cost_nanos=0)


def _delivered(event: UsageEvent, reply: ChatReply, result: Result) -> UsageEvent:
    return replace(
        event,
        outcome=Ending.OK,
        http_status=reply.http_status,
        model=reply.model,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cached_tokens=reply.usage.cached_input_tokens,
        cost_nanos=result.cost_nanos,
        provider_ms=-1 if reply.latency_ms is None else reply.latency_ms,
        ttft_ms=-1 if reply.ttft_ms is None else reply.ttft_ms,
        simulated=result.simulated,
    )


def _elapsed_ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)

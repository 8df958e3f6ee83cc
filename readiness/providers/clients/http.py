"""The HTTP of every client: one request, its answer whole or streamed, and what can go wrong with it."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import ClassVar, Protocol

import httpx

from readiness.providers.addresses import AddressRefusedError
from readiness.providers.base import (
    BadCredentialError,
    BrokenOffError,
    ChatReply,
    ChatRequest,
    ConnectionReport,
    Endpoint,
    ProviderError,
    ProviderFaultError,
    RefusedAddressError,
)
from readiness.providers.clients import connections
from readiness.providers.clients.answers import Answer
from readiness.providers.clients.bodies import chunks, drain, start_of_failure, whole
from readiness.providers.clients.failures import Failure, failure_in, parse_failure, to_error
from readiness.providers.clients.quota_headers import HeaderHabits, rate_limits
from readiness.providers.clients.sse import EventStream
from readiness.providers.transport import CONNECT_TIMEOUT_S, guarded_transport

CHECK_TIMEOUT_S = 10.0
END_MARKER = "[DONE]"
"""Ends a stream of OpenAI-compatible servers; it is no JSON."""

Clock = Callable[[], float]
"""Seconds that only grow; for latencies."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class WireFormat(Protocol):
    """Where a kind of server has its endpoints, how a request looks there and how its answer is read."""

    words: ClassVar[str]
    """As what a server must answer: ``an OpenAI-compatible API``."""
    chat_path: ClassVar[str]
    models_path: ClassVar[str]

    @property
    def lists_what_it_serves(self) -> bool:
        """Whether the list of models names everything that can be called."""
        ...

    @property
    def habits(self) -> HeaderHabits:
        """What the headers of the rate limit mean here."""
        ...

    def headers(self, key: str) -> Mapping[str, str]:
        """What goes out with every request; ``key`` is empty where there is none."""
        ...

    def body(self, request: ChatRequest) -> Mapping[str, object]:
        """The JSON object of a request."""
        ...

    def new_answer(self) -> Answer:
        """An empty answer that reads this format."""
        ...


class HttpClient:
    """Client of one account. Keeps connections alive, follows no redirect, trusts no proxy variable."""

    is_replay = False

    def __init__(
        self,
        endpoint: Endpoint,
        wire: WireFormat,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.perf_counter,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """``transport`` replaces the guarded way out.

        Raises ``BadCredentialError`` for a key that no header can carry, ``RefusedAddressError`` for a base
        URL that can be none.
        """
        key = endpoint.credential
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise BadCredentialError("The stored key holds signs that no key has. Enter it again.")
        try:
            transport = transport or guarded_transport(endpoint.base_url)
        except AddressRefusedError as error:
            raise RefusedAddressError(str(error)) from error
        self._base_url = endpoint.base_url.rstrip("/")
        self._secret = key
        self._wire = wire
        self._clock = clock
        self._now = now
        self._http = httpx.AsyncClient(
            transport=transport,
            # A compressed answer could unpack to more than its limit before we see its size.
            headers={"accept-encoding": "identity", "user-agent": "readiness", **self._wire.headers(key)},
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            follow_redirects=False,
            trust_env=False,
        )

    async def chat(self, request: ChatRequest) -> ChatReply:
        """One attempt at a completion. Raises a ``ProviderError``."""
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._attempt(request)
        except TimeoutError:
            raise BrokenOffError(f"No complete answer within {request.timeout_s:g} s.") from None
        except connections.LOST_CONNECTION as error:
            raise connections.to_error(error) from error

    async def check(self) -> ConnectionReport:
        """Lists the models, which needs a working address and key and costs nothing."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await self._list_models()
        except TimeoutError:
            return ConnectionReport(ok=False, message=f"No complete answer within {CHECK_TIMEOUT_S:g} s.")
        except connections.LOST_CONNECTION as error:
            return ConnectionReport(ok=False, message=str(connections.to_error(error)))
        except ProviderError as error:
            return ConnectionReport(ok=False, message=str(error))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _attempt(self, request: ChatRequest) -> ChatReply:
        headers = {"content-type": "application/json"}
        if request.request_id:
            headers["x-request-id"] = request.request_id
        started = self._clock()
        async with self._http.stream(
            "POST",
            f"{self._base_url}{self._wire.chat_path}",
            content=json.dumps(self._wire.body(request)),
            headers=headers,
        ) as response:
            headers_at = self._clock()
            await self._raise_for_failure(response)
            try:
                answer, first_at, ended = await self._read(response)
            except connections.LOST_CONNECTION as error:
                raise BrokenOffError(_BROKE_OFF) from error
        return ChatReply(
            text=answer.text,
            model=answer.model or request.model,
            usage=answer.usage(message.content for message in request.messages),
            finish_reason=answer.finish_reason,
            latency_ms=_ms(ended - started),
            ttft_ms=None if first_at is None else _ms(first_at - started),
            rate_limits=rate_limits(response.headers, self._wire.habits),
            headers_age_ms=_ms(ended - headers_at),
            http_status=response.status_code,
            simulated=_is_simulated(response),
        )

    async def _raise_for_failure(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        failure = parse_failure(response.status_code, await start_of_failure(response))
        raise self._error(failure, response)

    def _error(self, failure: Failure, response: httpx.Response) -> ProviderError:
        return to_error(
            failure,
            response.headers,
            secret=self._secret,
            now=self._now(),
            habits=self._wire.habits,
        )

    async def _read(self, response: httpx.Response) -> tuple[Answer, float | None, float]:
        """The answer, when its first text came (None unless streamed), and when it ended."""
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            return await self._read_stream(response)
        answer = self._wire.new_answer()
        self._take(answer, await whole(response), response)
        ended = self._clock()
        if not answer.begun:
            raise ProviderFaultError(self._other_format)
        return answer, None, ended

    async def _read_stream(self, response: httpx.Response) -> tuple[Answer, float | None, float]:
        answer, events = self._wire.new_answer(), EventStream()
        first_at: float | None = None
        async with aclosing(chunks(response)) as body:
            async for chunk in body:
                for data in events.feed(chunk):
                    self._take(answer, data, response)
                if first_at is None and answer.parts:
                    first_at = self._clock()
                if answer.done:
                    break
            for data in events.close():
                self._take(answer, data, response)
            ended = self._clock()
            if not answer.is_complete:
                raise BrokenOffError(_BROKE_OFF)
            await drain(body)
        return answer, first_at, ended

    def _take(self, answer: Answer, data: str | bytes, response: httpx.Response) -> None:
        """Adds what the server sent to the answer. Raises the error that it reports instead, if it does."""
        if answer.done:
            return
        if data == END_MARKER:
            answer.done = True
            return
        document = self._document(data, has_begun=answer.begun)
        failure = failure_in(response.status_code, document)
        if failure is not None:
            raise self._error(failure, response)
        answer.add(document)

    def _document(self, data: str | bytes, *, has_begun: bool) -> object:
        if not has_begun:
            return _json(data, self._other_format)
        try:
            return _json(data, _BROKE_OFF)
        except ProviderFaultError as error:
            raise BrokenOffError(str(error)) from error

    @property
    def _other_format(self) -> str:
        return f"The server answered, but not as {self._wire.words}. Check the base URL: most end in /v1."

    async def _list_models(self) -> ConnectionReport:
        async with self._http.stream("GET", f"{self._base_url}{self._wire.models_path}") as response:
            if response.status_code in {404, 405}:
                return ConnectionReport(ok=False, message=_NO_MODEL_LIST)
            await self._raise_for_failure(response)
            try:
                models = _model_ids(_json(await whole(response), self._other_format))
            except ProviderFaultError:
                models = None
        if models is None:
            return ConnectionReport(ok=False, message=self._other_format)
        if not self._wire.lists_what_it_serves:
            return ConnectionReport(ok=True, message="Connected.")
        return ConnectionReport(
            ok=True,
            message=f"Connected. The account offers {len(models)} model{'' if len(models) == 1 else 's'}.",
            models=models,
            simulated=_is_simulated(response),
        )


_BROKE_OFF = "The answer broke off: the stream ended before it was complete."
_NO_MODEL_LIST = (
    "The server answered, but has no list of models at this address. Check the base URL: most end in /v1."
)


def _model_ids(document: object) -> tuple[str, ...] | None:
    """Ids of ``{"data": [{"id": …}]}`` or of a bare list (Together); None for anything else."""
    models = document.get("data") if isinstance(document, dict) else document
    if not isinstance(models, list):
        return None
    return tuple(
        model["id"] for model in models if isinstance(model, dict) and isinstance(model.get("id"), str)
    )


def _json(data: str | bytes, words: str) -> object:
    """The document. Raises ``ProviderFaultError`` with these words for anything but JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ProviderFaultError(words) from None


def _is_simulated(response: httpx.Response) -> bool:
    return bool(response.headers.get("x-simulated", "").lower() == "true")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

"""A faked transport around the one HTTP client, for each wire format."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import count

import httpx

from readiness.providers.base import AccountSpec, ChatReply, ChatRequest, ConnectionReport, Message
from readiness.providers.clients.http import HttpClient, WireFormat
from readiness.providers.clients.openai import OpenAIWire

KEY = "sk-test-0123456789abcdef"
Handler = Callable[[httpx.Request], httpx.Response]


def a_request(**values: object) -> ChatRequest:
    defaults: dict[str, object] = {
        "model": "gpt-4o-mini",
        "messages": (Message("system", "Be brief."), Message("user", "How long is the warranty?")),
        "max_tokens": 64,
    }
    return ChatRequest(**(defaults | values))  # type: ignore[arg-type]


def a_client(
    handler: Handler,
    *,
    base_url: str = "https://api.example.com/v1",
    key: str = KEY,
    wire: WireFormat | None = None,
) -> HttpClient:
    """A client whose clock goes on by 100 ms at each look."""
    ticks = count()
    return HttpClient(
        AccountSpec(kind="openai", base_url=base_url, credential=key),
        wire or OpenAIWire(base_url),
        transport=httpx.MockTransport(handler),
        clock=lambda: next(ticks) / 10,
    )


async def chat(handler: Handler, *, wire: WireFormat | None = None, **values: object) -> ChatReply:
    client = a_client(handler, wire=wire)
    try:
        return await client.chat(a_request(**values))
    finally:
        await client.aclose()


async def check(
    handler: Handler, *, base_url: str = "https://api.example.com/v1", wire: WireFormat | None = None
) -> ConnectionReport:
    client = a_client(handler, base_url=base_url, wire=wire)
    try:
        return await client.check()
    finally:
        await client.aclose()


class Wire(httpx.AsyncByteStream):
    """A body in chunks; an exception among them breaks the connection there."""

    def __init__(self, parts: Iterable[bytes | Exception]) -> None:
        self.parts = list(parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part


class Silence(httpx.AsyncByteStream):
    """A body that never comes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


def streamed(*parts: bytes | Exception, **headers: str) -> Handler:
    content_type = {"content-type": "text/event-stream; charset=utf-8"}
    return lambda _request: httpx.Response(200, headers=content_type | headers, stream=Wire(parts))


def event(document: object) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()

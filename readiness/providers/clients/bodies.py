"""Reading what a server sends, never more of it than makes sense."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import httpx

from readiness.providers.base import ProviderFaultError

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of one answer; far above any model's longest output."""
FAILURE_LIMIT = 64 * 1024
FAILURE_TIMEOUT_S = 5.0
DRAIN_TIMEOUT_S = 1.0


async def chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The body as it arrives. Raises ``ProviderFaultError`` past the limit, and for a compressed body."""
    if response.headers.get("content-encoding", "identity") != "identity":
        # It could unpack to any size before we see how large it is, and we asked for none.
        raise ProviderFaultError("The server compressed its answer although it was asked not to.")
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > BODY_LIMIT:
            raise ProviderFaultError(f"The answer is larger than {BODY_LIMIT // 1024**2} MB.")
        yield chunk


async def whole(response: httpx.Response) -> bytes:
    """The whole body. Raises as ``chunks`` does."""
    return b"".join([chunk async for chunk in chunks(response)])


async def start_of_failure(response: httpx.Response) -> bytes:
    """As much of an error's body as can be had soon; the status alone must do where that is nothing."""
    body = b""
    with suppress(ProviderFaultError, TimeoutError, httpx.TransportError):
        async with asyncio.timeout(FAILURE_TIMEOUT_S), aclosing(chunks(response)) as parts:
            async for chunk in parts:
                body += chunk
                if len(body) >= FAILURE_LIMIT:
                    break
    return body


async def drain(body: AsyncGenerator[bytes, None]) -> None:
    """Reads past the end marker: a connection whose last bytes nobody read cannot be used again."""
    with suppress(ProviderFaultError, TimeoutError, httpx.TransportError):
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            async for _ in body:
                pass

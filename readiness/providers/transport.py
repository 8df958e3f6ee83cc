"""The way out: an httpx transport that checks every address before it connects, and connects to that address.

The name is resolved once per connection; the checked address is what the socket gets, so a name that changes
between check and use (DNS rebinding) gains nothing. TLS still names the host: httpcore takes certificate and
SNI name from the URL, whatever address the network backend dialled.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import cast

import httpcore
import httpx

from readiness.providers.addresses import AddressRule, check_form, rule_for

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

CONNECT_TIMEOUT_S = 5.0
MAX_KEPT_CONNECTIONS = 50
KEEP_ALIVE_S = 30.0


async def resolve(host: str, port: int) -> Sequence[str]:
    """Addresses of the host, in the order in which they should be tried. Raises ``socket.gaierror``."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is too long for DNS
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks against the rule, and dials exactly what was checked."""

    def __init__(self, rule: AddressRule, resolver: Resolver = resolve) -> None:
        self._rule = rule
        self._resolver = resolver
        self._dial = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address that answers.

        Raises ``AddressRefusedError``, ``socket.gaierror`` or httpcore's own errors, all within the timeout.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolver(host, port)
                self._rule.check(host, addresses)
                share = timeout / len(addresses) if timeout and addresses else None
                return await self._first(addresses, port, share, local_address, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"no connection within {timeout} s") from None

    async def _first(
        self,
        addresses: Sequence[str],
        port: int,
        timeout: float | None,  # noqa: ASYNC109 (for each address, so that a silent one leaves time for the next)
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                return await self._dial.connect_tcp(
                    address, port, timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@cache
def tls_context() -> ssl.SSLContext:
    """One context for all clients, since reading the root certificates takes some 20 ms."""
    return httpx.create_ssl_context()


class GuardedTransport(httpx.AsyncBaseTransport):
    """A connection pool of httpcore behind httpx's transport interface.

    httpx's own transport cannot be given a network backend, which is the one place where name, address and
    socket meet.
    """

    def __init__(self, backend: httpcore.AsyncNetworkBackend, tls: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or tls_context(),
            # How many calls run at once is the limiter's decision; a second limit here would hide a queue.
            max_connections=None,
            max_keepalive_connections=MAX_KEPT_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_S,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        wire = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=cast("AsyncIterator[bytes]", request.stream),
            extensions=request.extensions,
        )
        with _httpx_errors():
            response = await self._pool.handle_async_request(wire)
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


def guarded_transport(base_url: str) -> GuardedTransport:
    """The way out for an account. Raises ``AddressRefusedError`` for a URL that can never be a base URL."""
    check_form(base_url)
    return GuardedTransport(GuardedBackend(rule_for(base_url)))


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for part in self._response.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """httpcore's errors as those of httpx, which carry the same names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise kind(str(error)) from error

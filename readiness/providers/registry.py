"""Which client speaks for which kind of account. A new provider is one module and one line here."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import httpx

from readiness.providers.base import BadRequestError, Endpoint, ProviderClient
from readiness.providers.clients.anthropic import AnthropicWire
from readiness.providers.clients.http import HttpClient
from readiness.providers.clients.openai import OpenAIWire
from readiness.providers.clients.recorded import RecordedClient
from readiness.providers.models import ProviderKind

Factory = Callable[[Endpoint, httpx.AsyncBaseTransport | None], ProviderClient]

FACTORIES: dict[str, Factory] = {
    ProviderKind.OPENAI: lambda endpoint, transport: HttpClient(
        endpoint, OpenAIWire(endpoint.base_url), transport=transport
    ),
    ProviderKind.ANTHROPIC: lambda endpoint, transport: HttpClient(
        endpoint, AnthropicWire(), transport=transport
    ),
    ProviderKind.RECORDED: lambda _endpoint, _transport: RecordedClient(),
}


def open_client(spec: Endpoint, *, transport: httpx.AsyncBaseTransport | None = None) -> ProviderClient:
    """A new client for the account, to be closed with ``aclose``; tests give it another transport.

    Raises ``BadRequestError`` for a kind this version does not know, ``BadCredentialError`` for a key and
    ``RefusedAddressError`` for a base URL that cannot be one.
    """
    factory = FACTORIES.get(spec.kind)
    if factory is None:
        raise BadRequestError(f"This version has no client for providers of kind {spec.kind!r}.")
    return factory(spec, transport)


class ClientPool:
    """The clients of one event loop, one per account, so that its deployments share their connections.

    ``async with ClientPool() as clients: reply = await clients.get(spec).chat(request)``
    """

    def __init__(self, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._clients: dict[tuple[str, str, str], ProviderClient] = {}

    def get(self, spec: Endpoint) -> ProviderClient:
        """The client for the spec's kind, address and credential. Raises like ``open_client``."""
        key = (spec.kind, spec.base_url, spec.credential)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = open_client(spec, transport=self._transport)
        return client

    async def aclose(self) -> None:
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

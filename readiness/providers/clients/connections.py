"""Why no answer came, in the words of the error tree."""

import socket
import ssl
from collections.abc import Iterator

import httpx

from readiness.providers.addresses import AddressRefusedError
from readiness.providers.base import (
    ProviderError,
    ProviderFaultError,
    RefusedAddressError,
    UnreachableError,
)

LOST_CONNECTION = (httpx.TransportError, httpx.InvalidURL, OSError, AddressRefusedError)
"""What the way out may raise while a request is under way."""


def to_error(error: Exception) -> ProviderError:
    """The error to raise for one of ``LOST_CONNECTION``, with words that name the likely cause."""
    if isinstance(error, AddressRefusedError):
        return RefusedAddressError(str(error))
    if isinstance(error, httpx.InvalidURL):
        return RefusedAddressError("The base URL is not a valid web address.")
    causes = list(_causes(error))
    for kind, words in _CAUSES:
        if any(isinstance(cause, kind) for cause in causes):
            return UnreachableError(words)
    if isinstance(error, httpx.ConnectError):
        return UnreachableError("The server could not be reached. Check the base URL and the network.")
    return ProviderFaultError("The connection broke before the answer was complete.")


_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (
        socket.gaierror,
        "The server's name could not be found (DNS). Check the spelling of the base URL.",
    ),
    (
        ssl.SSLCertVerificationError,
        "The server's TLS certificate is not valid for this address, so the key was not sent. Check the base "
        "URL; for a certificate authority of your own set SSL_CERT_FILE.",
    ),
    (
        ssl.SSLError,
        "TLS could not be agreed with the server. Check that it speaks https:// at this port.",
    ),
    (
        ConnectionRefusedError,
        "The server refused the connection: nothing listens at this address and port.",
    ),
    (
        httpx.ConnectTimeout,
        "The server did not accept a connection in time. Check the base URL, and firewalls on the way.",
    ),
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

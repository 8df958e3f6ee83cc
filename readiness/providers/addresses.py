"""Which addresses a provider account may point to, so that nobody reads our own network through this site.

A base URL comes from a person, and the server that fetches it stands inside a network where that person does
not. So the resolved addresses decide, not the name: once when an account is saved, and again at every new
connection (``transport.py``), because a name may resolve to something else a second later.
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

EXAMPLE_URL = "https://api.openai.com/v1"

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Metadata services of clouds that do not use a link-local address: they hand out credentials.
_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)


class AddressRefusedError(ValueError):
    """A base URL that must not be used; ``str(error)`` says in plain words why and what to do."""


def _innermost(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 form carries, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_never_allowed(address: IPAddress) -> bool:
    """Link-local, metadata, multicast, unspecified and reserved: no AI service lives at any of them."""
    inner = _innermost(address)
    return (
        inner in _METADATA
        or inner.is_link_local
        or inner.is_multicast
        or inner.is_unspecified
        or (inner.is_reserved and not inner.is_loopback)
    )


def is_private(address: IPAddress) -> bool:
    """Loopback, private, carrier-shared and everything else that the public internet does not route."""
    inner = _innermost(address)
    site_local = isinstance(inner, ipaddress.IPv6Address) and inner.is_site_local
    return not inner.is_global or site_local or is_never_allowed(inner)


@dataclass(frozen=True, slots=True)
class AddressRule:
    """What one account may connect to."""

    allow_private: bool
    private_only: bool
    """For ``http://``: without TLS the key must not leave the own network."""

    def check(self, host: str, addresses: Iterable[str]) -> None:
        """Raises ``AddressRefusedError`` unless every address that the host resolves to is allowed."""
        for text in addresses:
            # A scope such as %eth0 belongs to the interface, not to the address.
            address = ipaddress.ip_address(text.partition("%")[0])
            if is_never_allowed(address):
                raise AddressRefusedError(
                    f"{host} leads to {address}, where no AI service can be. Enter another base URL."
                )
            if is_private(address) and not self.allow_private:
                raise AddressRefusedError(
                    f"{host} leads to {address}, a private address, which this site does not allow. Enter a "
                    "public base URL, or have the site's operator set READINESS_ALLOW_PRIVATE_UPSTREAMS=1."
                )
            if self.private_only and not is_private(address):
                raise AddressRefusedError(
                    f"{host} is on the public internet. Use https://: over http:// everybody on the way "
                    "could read the key."
                )


def is_simulator(base_url: str) -> bool:
    """Whether the URL is that of the simulated AI service which the site's operator runs."""
    return normalised(base_url) == normalised(settings.SIMULATOR_URL)


def normalised(base_url: str) -> str:
    """The form in which base URLs are stored and compared: no blanks around, no slash at the end."""
    return base_url.strip().rstrip("/")


def rule_for(base_url: str) -> AddressRule:
    """The rule that the settings give for this URL.

    The simulator's own URL is always allowed: the operator chose it, and nothing else answers there.
    """
    return AddressRule(
        allow_private=settings.ALLOW_PRIVATE_UPSTREAMS or is_simulator(base_url),
        private_only=urlsplit(base_url).scheme == "http",
    )


def check_form(base_url: str) -> None:
    """Raises ``AddressRefusedError`` for a URL that can never be a base URL, without resolving its name."""
    try:
        parts = urlsplit(base_url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefusedError(f"This is not a web address. An example: {EXAMPLE_URL}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise AddressRefusedError("The base URL must start with https:// and name a host.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefusedError("Leave user name and password out of the base URL: the key has its field.")
    if parts.query or parts.fragment:
        raise AddressRefusedError("Leave everything from ? or # on out of the base URL.")
    if parts.path.rstrip("/").endswith(("/chat/completions", "/models", "/responses")):
        raise AddressRefusedError(
            f"This is the address of one operation. Enter the base URL only, such as {EXAMPLE_URL}"
        )
    if parts.scheme == "http" and not rule_for(base_url).allow_private:
        raise AddressRefusedError(
            "Use https://. http:// is for private addresses only, and this site allows none; its operator "
            "can set READINESS_ALLOW_PRIVATE_UPSTREAMS=1."
        )


def check_base_url(base_url: str) -> None:
    """The whole check when an account is saved; resolves the name, so it may take seconds.

    Raises ``AddressRefusedError`` for an address that is malformed, unknown to DNS, or not allowed.
    """
    check_form(base_url)
    if is_simulator(base_url):
        return  # Its name may not resolve yet: the demo is seeded before the processes start.
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, parts.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressRefusedError(
            f"The name {host} could not be found. Check the spelling of the base URL."
        ) from None
    rule_for(base_url).check(host, {str(info[4][0]) for info in found})

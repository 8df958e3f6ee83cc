"""Which base URLs are refused, and with which words."""

import ipaddress

import pytest
from pytest_django import Settings

from readiness.providers.addresses import (
    AddressRefusedError,
    AddressRule,
    check_base_url,
    check_form,
    is_private,
    is_simulator,
    rule_for,
)

PUBLIC_ONLY = AddressRule(allow_private=False, private_only=False)
ANYWHERE = AddressRule(allow_private=True, private_only=False)
OWN_NETWORK = AddressRule(allow_private=True, private_only=True)

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "::1",
    "fd12:3456::1",
    "fec0::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
]
NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "::7f00:1",
]
PUBLIC = ["8.8.8.8", "104.18.6.192", "2606:4700::6812:6c0", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_address_is_refused_unless_the_site_allows_it(address: str) -> None:
    with pytest.raises(AddressRefusedError, match="READINESS_ALLOW_PRIVATE_UPSTREAMS"):
        PUBLIC_ONLY.check("ai.example.com", [address])
    ANYWHERE.check("ai.example.com", [address])


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_special_addresses_are_always_refused(address: str) -> None:
    with pytest.raises(AddressRefusedError, match="no AI service can be"):
        ANYWHERE.check("ai.example.com", [address])


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_allowed_with_tls_only(address: str) -> None:
    PUBLIC_ONLY.check("ai.example.com", [address])
    assert not is_private(ipaddress.ip_address(address))
    with pytest.raises(AddressRefusedError, match="https://"):
        OWN_NETWORK.check("ai.example.com", [address])


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(AddressRefusedError):
        PUBLIC_ONLY.check("ai.example.com", ["8.8.8.8", "10.0.0.1"])


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("", "must start with https://"),
        ("api.openai.com/v1", "must start with https://"),
        ("ftp://api.openai.com", "must start with https://"),
        ("https:///v1", "must start with https://"),
        ("https://[::1/v1", "not a web address"),
        ("https://api.openai.com:port/v1", "not a web address"),
        ("https://bob:secret@api.openai.com/v1", "user name and password"),
        ("https://api.openai.com/v1?key=secret", r"from \? or # on"),
        ("https://api.openai.com/v1#x", r"from \? or # on"),
        ("https://api.openai.com/v1/chat/completions", "base URL only"),
        ("http://api.openai.com/v1", "Use https://"),
    ],
)
def test_malformed_base_url_is_refused_with_a_reason(base_url: str, words: str) -> None:
    with pytest.raises(AddressRefusedError, match=words) as caught:
        check_form(base_url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://127.0.0.1/v1",
        "https://localhost/v1",
        "https://2130706433/v1",
        "https://0x7f.1/v1",
        "https://[::1]:8443/v1",
        "https://[::ffff:127.0.0.1]/v1",
        "https://169.254.169.254/v1",
    ],
)
def test_private_base_url_is_refused_in_every_spelling(base_url: str) -> None:
    with pytest.raises(AddressRefusedError):
        check_base_url(base_url)


def test_private_base_url_is_taken_where_the_site_allows_it(settings: Settings) -> None:
    settings.ALLOW_PRIVATE_UPSTREAMS = True
    check_base_url("http://127.0.0.1:8000/v1")


def test_unknown_name_is_refused() -> None:
    with pytest.raises(AddressRefusedError, match="could not be found"):
        check_base_url("https://no-such-host.invalid/v1")


def test_name_that_dns_cannot_carry_is_refused() -> None:
    with pytest.raises(AddressRefusedError, match="could not be found"):
        check_base_url(f"https://{'a' * 70}.example.com/v1")


def test_simulator_is_allowed_by_its_whole_address_only(settings: Settings) -> None:
    settings.SIMULATOR_URL = "http://simulator:8790/v1"
    check_base_url("http://simulator:8790/v1/")
    assert is_simulator(" http://simulator:8790/v1/ ")
    assert rule_for("http://simulator:8790/v1").allow_private
    assert not rule_for("http://simulator:6379/v1").allow_private

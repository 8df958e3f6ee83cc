"""The guarded way out, against real sockets on this machine."""

import asyncio
import datetime
import ipaddress
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from readiness.providers.addresses import AddressRefusedError, AddressRule
from readiness.providers.base import (
    AccountSpec,
    ChatRequest,
    Message,
    ProviderClient,
    ProviderFaultError,
    RefusedAddressError,
    UnreachableError,
)
from readiness.providers.registry import open_client
from readiness.providers.transport import GuardedBackend, GuardedTransport, resolve

ANYWHERE = AddressRule(allow_private=True, private_only=False)
PUBLIC_ONLY = AddressRule(allow_private=False, private_only=False)
HOST = "ai.example.test"
STREAM = [
    {"choices": [{"delta": {"content": "Two years."}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
]


class Server:
    """A small HTTP/1.1 server that streams one chat completion per request and notes what it was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.hosts: list[str] = []
        self.server_names: list[str | None] = []
        self.cut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        self.hosts.append(headers["host"])
        await reader.readexactly(int(headers.get("content-length", 0)))
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for document in STREAM:
            self._chunk(writer, f"data: {json.dumps(document)}\n\n".encode())
        if self.cut:
            raise ConnectionError
        self._chunk(writer, b"data: [DONE]\n\n")
        self._chunk(writer, b"")
        await writer.drain()

    @staticmethod
    def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await asyncio.sleep(0)


class Dns:
    """A resolver that gives one answer after the other, and the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def transport(dns: Dns, rule: AddressRule = ANYWHERE, tls: ssl.SSLContext | None = None) -> GuardedTransport:
    return GuardedTransport(GuardedBackend(rule, dns), tls)


@asynccontextmanager
async def client_of(base_url: str, way_out: httpx.AsyncBaseTransport) -> AsyncIterator[ProviderClient]:
    client = open_client(AccountSpec(kind="openai", base_url=base_url, credential="k"), transport=way_out)
    try:
        yield client
    finally:
        await client.aclose()


REQUEST = ChatRequest(model="m", messages=(Message("user", "How long?"),), max_tokens=8)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for HOST, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


async def test_client_dials_the_address_that_was_checked() -> None:
    dns = Dns(["127.0.0.1"])
    async with running() as server, client_of(f"http://{HOST}:{server.port}/v1", transport(dns)) as client:
        reply = await client.chat(REQUEST)
    assert (reply.text, reply.usage.input_tokens) == ("Two years.", 9)
    assert dns.asked == [HOST]
    assert server.hosts == [f"{HOST}:{server.port}"]


async def test_name_that_moves_to_a_private_address_is_refused_when_it_is_dialled() -> None:
    dns = Dns(["8.8.8.8"], ["127.0.0.1"])
    PUBLIC_ONLY.check(HOST, await dns(HOST, 443))
    backend = GuardedBackend(PUBLIC_ONLY, dns)
    with pytest.raises(AddressRefusedError, match="private address"):
        await backend.connect_tcp(HOST, 443, timeout=1)


async def test_refused_address_is_not_retried_and_nothing_is_sent() -> None:
    async with running() as server:
        way_out = transport(Dns(["127.0.0.1"]), PUBLIC_ONLY)
        async with client_of(f"http://{HOST}:{server.port}/v1", way_out) as client:
            with pytest.raises(RefusedAddressError, match="private address") as caught:
                await client.chat(REQUEST)
            report = await client.check()
    assert not caught.value.retryable
    assert not report.ok
    assert "private address" in report.message
    assert server.connections == 0


async def test_calls_share_one_connection() -> None:
    dns = Dns(["127.0.0.1"])
    async with running() as server, client_of(f"http://{HOST}:{server.port}/v1", transport(dns)) as client:
        for _ in range(3):
            await client.chat(REQUEST)
    assert server.connections == 1
    assert len(dns.asked) == 1


async def test_key_is_in_no_log_of_a_real_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    spec = AccountSpec(kind="openai", base_url="", credential="sk-never-to-be-logged")
    async with running() as server:
        client = open_client(
            replace(spec, base_url=f"http://{HOST}:{server.port}/v1"), transport=transport(Dns(["127.0.0.1"]))
        )
        await client.chat(REQUEST)
        await client.aclose()
    assert "httpcore" in caplog.text
    assert "sk-never" not in caplog.text


async def test_second_address_is_tried_when_the_first_does_not_answer() -> None:
    dns = Dns(["127.0.0.2", "127.0.0.1"])
    async with running() as server, client_of(f"http://{HOST}:{server.port}/v1", transport(dns)) as client:
        assert (await client.chat(REQUEST)).text == "Two years."


async def test_tls_names_and_verifies_the_host_although_an_address_is_dialled(certificate: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    names: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with running(serving) as server:
        way_out = transport(Dns(["127.0.0.1"]), tls=trusting)
        async with client_of(f"https://{HOST}:{server.port}/v1", way_out) as client:
            assert (await client.chat(REQUEST)).text == "Two years."
        other = transport(Dns(["127.0.0.1"]), tls=trusting)
        async with client_of(f"https://other.example.test:{server.port}/v1", other) as client:
            with pytest.raises(UnreachableError, match="certificate is not valid"):
                await client.chat(REQUEST)
    assert names == [HOST, "other.example.test"]


async def test_server_without_tls_is_named() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with client_of(f"https://{HOST}:{port}/v1", transport(Dns(["127.0.0.1"]))) as client:
        with pytest.raises(UnreachableError, match="speaks https"):
            await client.chat(REQUEST)
    listener.close()


async def test_closed_port_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with client_of(f"http://{HOST}:{port}/v1", transport(Dns(["127.0.0.1"]))) as client:
        with pytest.raises(UnreachableError, match="nothing listens"):
            await client.chat(REQUEST)


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'a' * 70}.invalid"])
async def test_unknown_name_is_named(host: str) -> None:
    way_out = GuardedTransport(GuardedBackend(ANYWHERE))
    async with client_of(f"https://{host}/v1", way_out) as client:
        with pytest.raises(UnreachableError, match="DNS"):
            await client.chat(REQUEST)


async def test_name_without_an_address_is_unreachable() -> None:
    async with client_of(f"https://{HOST}/v1", transport(Dns([]))) as client:
        with pytest.raises(UnreachableError):
            await client.chat(REQUEST)


async def test_name_server_that_is_silent_ends_at_the_connect_time_limit() -> None:
    class Silent(Dns):
        async def __call__(self, host: str, port: int) -> Sequence[str]:
            await asyncio.Event().wait()
            return []

    backend = GuardedBackend(ANYWHERE, Silent([]))
    with pytest.raises(Exception, match="no connection within"):
        await backend.connect_tcp(HOST, 443, timeout=0.01)


async def test_connection_that_breaks_in_mid_answer_is_a_fault() -> None:
    dns = Dns(["127.0.0.1"])
    async with running() as server, client_of(f"http://{HOST}:{server.port}/v1", transport(dns)) as client:
        server.cut = True
        with pytest.raises(ProviderFaultError, match="broke"):
            await client.chat(REQUEST)


async def test_address_that_is_no_url_is_refused() -> None:
    async with client_of("https://ex\x01ample.test/v1", transport(Dns([]))) as client:
        with pytest.raises(RefusedAddressError, match="not a valid web address"):
            await client.chat(REQUEST)


@pytest.mark.parametrize("base_url", ["https://[not-an-address/v1", "http://8.8.8.8/v1", "/v1", ""])
def test_client_is_not_made_for_what_can_be_no_base_url(base_url: str) -> None:
    with pytest.raises(RefusedAddressError):
        open_client(AccountSpec(kind="openai", base_url=base_url, credential="k"))


async def test_resolver_gives_each_address_once() -> None:
    found = await resolve("localhost", 80)
    assert len(found) == len(set(found)) > 0
    assert all(ipaddress.ip_address(address).is_loopback for address in found)

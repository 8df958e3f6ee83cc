"""What the tests of the simulated service are built from."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Message

from readiness.simulator.profiles import Lognormal, ModelProfile, Price, Quota

KEY = "sim-alice"
MODEL = "sim-test"
SOURCE = (
    "The Kestrel dock weighs 2 kg and is made in Oslo. Its warranty lasts 24 months. "
    "Ask Maria Lund for a repair. The dock must not be used outdoors."
)


class ManualClock:
    """Time that passes only when told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def make_profile(**changes: Any) -> ModelProfile:
    """A truthful, reliable, unlimited model with fixed speeds, save for the changes."""
    plain = ModelProfile(
        ttft_seconds=Lognormal(median=0.2),
        tokens_per_second=Lognormal(median=100),
        error_rate=0,
        hallucination_rate=0,
        price=Price(input_usd_per_million="1.00", output_usd_per_million="2.00"),
        quota=Quota(rpm=None, tpm=None, rpd=None, concurrency=None),
    )
    return plain.merged(changes)


def chat_body(question: str = "How long does the warranty last?", **changes: Any) -> dict[str, Any]:
    """A question about ``SOURCE`` at temperature 0, save for the changes."""
    content = f"Question: {question}\nSource:\n{SOURCE}"
    body = {"model": MODEL, "messages": [{"role": "user", "content": content}], "temperature": 0}
    return body | changes


def judging_body(answer: str, source: str = SOURCE, **changes: Any) -> dict[str, Any]:
    """A judging prompt at temperature 0."""
    content = f"Question: What of the dock?\nSource:\n{source}\nAnswer:\n{answer}"
    return {"model": MODEL, "messages": [{"role": "user", "content": content}], "temperature": 0} | changes


async def ask(
    client: httpx.AsyncClient, headers: Mapping[str, str] | None = None, **changes: Any
) -> httpx.Response:
    """One chat request."""
    return await client.post("/v1/chat/completions", json=chat_body(**changes), headers=headers)


def message_body(**changes: Any) -> dict[str, Any]:
    """The question of ``chat_body`` on Anthropic's wire."""
    chat = chat_body()
    return {"model": MODEL, "max_tokens": 256, "messages": chat["messages"], "temperature": 0} | changes


async def tell(
    client: httpx.AsyncClient, headers: Mapping[str, str] | None = None, **changes: Any
) -> httpx.Response:
    """One request on Anthropic's wire."""
    return await client.post("/v1/messages", json=message_body(**changes), headers=headers)


async def ledger_of(client: httpx.AsyncClient, model: str = MODEL) -> dict[str, Any]:
    """The totals of one model."""
    found: dict[str, Any] = (await client.get("/sim/ledger")).json()["models"][model]
    return found


def said(response: httpx.Response) -> str:
    """The text of an answer that was not streamed."""
    text: str = response.json()["choices"][0]["message"]["content"]
    return text


async def talk(
    app: ASGIApp,
    body: bytes,
    *,
    leave_after: int | None = None,
    look: Callable[[Message], Awaitable[None]] | None = None,
) -> list[Message]:
    """Speak ASGI with the app directly, to see what a transport hides: every message that it sends.

    The client disconnects after ``leave_after`` messages; ``look`` sees each before the client does.
    """
    sent: list[Message] = []
    requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    gone = asyncio.Event()

    async def receive() -> Message:
        if requests:
            return requests.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if look is not None:
            await look(message)
        sent.append(message)
        if len(sent) == leave_after:
            gone.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {KEY}".encode())],
    }
    await app(scope, receive, send)
    return sent


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The app behind a real socket, in this event loop; gives its URL."""
    # Listening before the server runs: a client that comes early waits in the backlog.
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task

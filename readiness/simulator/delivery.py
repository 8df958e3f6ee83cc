"""Sending an answer at the model's pace: whole or as a stream, to its end, broken off, or not at all."""

import asyncio
import re
from collections.abc import Mapping

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from readiness.lib.tokens import estimate_tokens
from readiness.simulator.service import Admitted, Simulator
from readiness.simulator.wire import Completion

_WORDS = re.compile(r"\S+\s*|\s+")
_WORDS_PER_PIECE = 3


class Hangup(Response):
    """No reply: the connection is closed before its first byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close what uvicorn's request cycle, whose method ``receive`` is, writes to.

        ASGI has no word for this, and a server whose app returns in silence answers 500 by itself.
        """
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()
            await _until_disconnected(receive)


class Delivery(Response):
    """The reply to an admitted request.

    The ledger's entry is closed, and the place in the concurrency cap freed, before the last bytes leave: a
    client that has read its answer may count on both.
    """

    def __init__(self, simulator: Simulator, admitted: Admitted) -> None:
        super().__init__(headers=admitted.headers)
        self._simulator = simulator
        self._admitted = admitted
        self._dialect = admitted.call.dialect
        self._entry = admitted.entry
        self._produced = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the reply. One that is cut returns unfinished, and the server closes the connection."""
        try:
            await self._deliver(scope, receive, send)
        finally:
            if self._entry.is_open:
                self._entry.lose("abandoned", self._sent_tokens)

    @property
    def _sent_tokens(self) -> int:
        """Output that the client may have seen: of an answer that is not streamed, none before its end."""
        return estimate_tokens([self._produced]) if self._admitted.call.chat.stream else 0

    async def _deliver(self, scope: Scope, receive: Receive, send: Send) -> None:
        admitted = self._admitted
        await self._wait(admitted.first_token_after)
        if admitted.error is not None:
            self._entry.fail(admitted.error.status)
            await self._dialect.failure(admitted.error)(scope, receive, send)
            return
        completion = self._simulator.compose(admitted)
        if admitted.call.chat.stream:
            await self._stream(completion, receive, send)
            return
        await self._think(completion)
        response = JSONResponse(self._dialect.whole(completion), headers=admitted.headers)
        if admitted.is_cut:
            self._entry.lose("cut", 0)
            await _send_half(response, send)
            return
        self._entry.complete(completion.usage.output_tokens)
        await response(scope, receive, send)

    async def _think(self, completion: Completion) -> None:
        """Produce the whole text: in one go, unless its pieces count in the quota one by one."""
        pieces = _pieces(completion.text) if self._admitted.charges_output else [completion.text]
        for piece in pieces:
            await self._wait(self._produce(piece))

    def _produce(self, piece: str) -> float:
        """Count one more piece of the text; gives the seconds that it takes."""
        before = estimate_tokens([self._produced])
        self._produced += piece
        tokens = estimate_tokens([self._produced]) - before
        self._simulator.charge_output(self._admitted, tokens)
        return tokens * self._admitted.seconds_per_token

    async def _stream(self, completion: Completion, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_until_disconnected(receive))
        try:
            await self._stream_pieces(completion, gone, send)
        finally:
            gone.cancel()

    async def _stream_pieces(self, completion: Completion, gone: "asyncio.Task[None]", send: Send) -> None:
        pieces = _pieces(completion.text)
        last = len(pieces) // 2 if self._admitted.is_cut else len(pieces)
        await _send_start(send, self._admitted.headers)
        await _send_body(send, self._dialect.opening(completion))
        for piece in pieces[:last]:
            await _send_body(send, self._dialect.piece(completion, piece))
            await self._wait(self._produce(piece))
            if gone.done():
                return
        if self._admitted.is_cut:
            self._entry.lose("cut", self._sent_tokens)
            return
        self._entry.complete(completion.usage.output_tokens)
        await _send_body(send, self._dialect.closing(completion), more=False)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await self._simulator.sleep(seconds)


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_start(send: Send, headers: Mapping[str, str]) -> None:
    raw = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
    raw += [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})


async def _send_body(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _send_half(response: Response, send: Send) -> None:
    """Announce the whole body, send its first half and leave it at that."""
    await send(
        {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    body = bytes(response.body)
    await _send_body(send, body[: len(body) // 2])


def _pieces(text: str) -> list[str]:
    """The text in runs of a few words, as a provider's tokens arrive in bursts."""
    found = _WORDS.findall(text)
    return [
        "".join(found[start : start + _WORDS_PER_PIECE]) for start in range(0, len(found), _WORDS_PER_PIECE)
    ]

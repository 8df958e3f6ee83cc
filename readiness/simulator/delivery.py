"""Sending an answer at the model's pace: whole or as a stream, to its end or broken off."""

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


class Delivery(Response):
    """The reply to an admitted request.

    The ledger's entry is closed, and the place in the concurrency cap freed, before the last bytes leave: a
    client that has read its answer may count on both.
    """

    def __init__(self, simulator: Simulator, admitted: Admitted) -> None:
        super().__init__(headers=admitted.headers)
        self._simulator = simulator
        self._admitted = admitted
        self._entry = admitted.entry
        self._sent = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the reply. One that is cut returns unfinished, and the server closes the connection."""
        try:
            await self._deliver(scope, receive, send)
        finally:
            if self._entry.is_open:
                self._entry.lose("abandoned", estimate_tokens([self._sent]))

    async def _deliver(self, scope: Scope, receive: Receive, send: Send) -> None:
        admitted = self._admitted
        await self._wait(admitted.first_token_after)
        if admitted.error is not None:
            self._entry.fail(admitted.error.status)
            await admitted.error.response()(scope, receive, send)
            return
        completion = self._simulator.compose(admitted)
        if admitted.chat.stream:
            await self._stream(completion, receive, send)
            return
        await self._wait(completion.usage.output_tokens * admitted.seconds_per_token)
        response = JSONResponse(completion.to_wire(), headers=admitted.headers)
        if admitted.is_cut:
            self._entry.lose("cut", 0)
            await _send_half(response, send)
            return
        self._entry.complete(completion.usage.output_tokens)
        await response(scope, receive, send)

    async def _stream(self, completion: Completion, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_until_disconnected(receive))
        try:
            await self._stream_pieces(completion, gone, send)
        finally:
            gone.cancel()

    async def _stream_pieces(self, completion: Completion, gone: "asyncio.Task[None]", send: Send) -> None:
        options = self._admitted.chat.stream_options
        with_usage = options is not None and options.include_usage
        pieces = _pieces(completion.text)
        last = len(pieces) // 2 if self._admitted.is_cut else len(pieces)
        await _send_start(send, self._admitted.headers)
        await _send_body(send, completion.opening(with_usage))
        for piece in pieces[:last]:
            await _send_body(send, completion.piece(piece, with_usage))
            self._sent += piece
            await self._wait(estimate_tokens([piece]) * self._admitted.seconds_per_token)
            if gone.done():
                return
        if self._admitted.is_cut:
            self._entry.lose("cut", estimate_tokens([self._sent]))
            return
        self._entry.complete(completion.usage.output_tokens)
        await _send_body(send, completion.closing(with_usage), more=False)

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

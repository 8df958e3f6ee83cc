"""The HTTP of every client against faked transports: what it reads, bounds and never tells."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator

import httpx
import pytest

from readiness.providers.base import (
    BadCredentialError,
    BadRequestError,
    ConnectionReport,
    ProviderError,
    ProviderFaultError,
    RateLimitedError,
    UnreachableError,
    Usage,
)
from readiness.providers.clients import bodies
from tests.providers.clients.support import (
    KEY,
    Handler,
    Silence,
    Wire,
    a_client,
    a_request,
    chat,
    check,
    event,
    streamed,
)

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Two years."}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 19, "completion_tokens": 3, "total_tokens": 22},
}


def delta(text: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return event({"model": "gpt-4o-mini-2024-07-18", "choices": [choice], "usage": None})


USAGE = event({"choices": [], "usage": {"prompt_tokens": 19, "completion_tokens": 3}})
DONE = b"data: [DONE]\n\n"
USAGE = event({"choices": [], "usage": {"prompt_tokens": 19, "completion_tokens": 3}})
DONE = b"data: [DONE]\n\n"


async def test_client_reads_a_whole_answer() -> None:
    headers = {"x-ratelimit-remaining-tokens": "29981", "x-simulated": "true"}
    reply = await chat(lambda _: httpx.Response(200, json=ANSWER, headers=headers), stream=False)
    assert (reply.text, reply.model, reply.finish_reason) == ("Two years.", "gpt-4o-mini-2024-07-18", "stop")
    assert reply.usage == Usage(input_tokens=19, output_tokens=3)
    assert (reply.latency_ms, reply.ttft_ms, reply.simulated) == (200, None, True)
    assert reply.headers_age_ms == 100
    assert reply.rate_limits.remaining == {"tokens": 29_981}


async def test_client_reads_a_stream_and_times_its_first_text() -> None:
    reply = await chat(streamed(delta(""), delta("Two "), delta("years."), delta("", "stop"), USAGE, DONE))
    assert (reply.text, reply.finish_reason) == ("Two years.", "stop")
    assert reply.usage == Usage(input_tokens=19, output_tokens=3)
    assert (reply.ttft_ms, reply.latency_ms, reply.headers_age_ms) == (200, 300, 200)
    assert not reply.simulated


async def test_client_estimates_usage_where_the_stream_has_none() -> None:
    reply = await chat(streamed(delta("Two years.", "stop"), DONE))
    assert reply.usage == Usage(input_tokens=9, output_tokens=3, estimated=True)


async def test_client_takes_a_plain_answer_to_a_request_for_a_stream() -> None:
    reply = await chat(lambda _: httpx.Response(200, json=ANSWER), stream=True)
    assert (reply.text, reply.ttft_ms) == ("Two years.", None)


async def test_stream_without_end_marker_counts_when_the_model_stopped() -> None:
    assert (await chat(streamed(delta("Yes.", "stop")))).text == "Yes."


@pytest.mark.parametrize(
    "parts",
    [
        [delta("Two ")],
        [delta("Two "), b'data: {"choices": [{"del'],
        [delta("Two "), httpx.RemoteProtocolError("peer closed connection")],
        [delta("Two "), httpx.ReadError("reset")],
        [DONE],
        [b""],
        [USAGE, DONE],
    ],
    ids=["no end", "half an event", "closed", "reset", "only the end", "nothing", "no choice"],
)
async def test_cut_stream_is_a_fault_of_the_provider(parts: list[bytes | Exception]) -> None:
    with pytest.raises(ProviderFaultError, match="broke"):
        await chat(streamed(*parts))


async def test_broken_connection_after_the_end_marker_spoils_nothing() -> None:
    reply = await chat(streamed(delta("Yes.", "stop"), DONE, httpx.RemoteProtocolError("closed")))
    assert reply.text == "Yes."


async def test_error_in_the_middle_of_a_stream_is_that_error() -> None:
    error = event({"error": {"code": 429, "message": "Rate limit reached"}, "choices": []})
    with pytest.raises(RateLimitedError) as caught:
        await chat(streamed(delta("Two "), error))
    assert caught.value.http_status == 429


@pytest.mark.parametrize("body", ["<html>It works!</html>", "{}", "[]", "", '{"choices": []}', "[" * 50_000])
async def test_answer_in_another_format_is_a_fault_that_names_the_base_url(body: str) -> None:
    with pytest.raises(ProviderFaultError, match="not as an OpenAI-compatible API"):
        await chat(lambda _: httpx.Response(200, text=body))


async def test_answer_above_the_limit_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_LIMIT", 1000)
    with pytest.raises(ProviderFaultError, match="larger than"):
        await chat(streamed(*[delta("x" * 100)] * 20))


async def test_compressed_answer_is_not_unpacked() -> None:
    with pytest.raises(ProviderFaultError, match="compressed"):
        await chat(streamed(b"\x1f\x8b", **{"content-encoding": "gzip"}))


async def test_compressed_error_still_counts_by_its_status() -> None:
    body = httpx.Response(429, headers={"content-encoding": "gzip"}, stream=Wire([b"\x1f\x8b"]))
    with pytest.raises(RateLimitedError):
        await chat(lambda _: body)


async def test_answer_that_never_comes_ends_at_the_time_limit() -> None:
    headers = {"content-type": "text/event-stream"}
    with pytest.raises(ProviderFaultError, match=r"within 0\.01 s"):
        await chat(lambda _: httpx.Response(200, headers=headers, stream=Silence()), timeout_s=0.01)


async def test_server_that_does_not_hang_up_does_not_spoil_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Open(Wire):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for part in super().__aiter__():
                yield part
            await asyncio.Event().wait()

    monkeypatch.setattr(bodies, "DRAIN_TIMEOUT_S", 0.01)
    response = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, stream=Open([delta("Yes.", "stop"), DONE])
    )
    assert (await chat(lambda _: response)).text == "Yes."


async def test_redirect_is_not_followed() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(307, headers={"location": "http://169.254.169.254/"})

    with pytest.raises(BadRequestError, match="final base URL"):
        await chat(handler)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx.ConnectError("refused"), UnreachableError, "could not be reached"),
        (httpx.ConnectTimeout("slow"), UnreachableError, "in time"),
        (httpx.ReadError("reset"), ProviderFaultError, "broke before"),
        (httpx.RemoteProtocolError("garbage"), ProviderFaultError, "broke before"),
    ],
)
async def test_lost_connection_is_named(error: Exception, kind: type[ProviderError], words: str) -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(kind, match=words) as caught:
        await chat(handler)
    assert type(caught.value) is kind


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "tab\t"])
def test_key_that_no_header_can_carry_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(BadCredentialError) as caught:
        a_client(lambda _: httpx.Response(200), key=key)
    assert key not in str(caught.value)


def _echo(status: int) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        said = f"You sent {request.headers['authorization']} which is wrong"
        return httpx.Response(status, json={"error": {"message": said}})

    return handler


def _break(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize("handler", [_echo(400), _echo(401), _echo(429), _echo(500), _echo(200), _break])
async def test_key_shows_in_no_message_repr_log_or_traceback(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = a_client(handler)
    with pytest.raises(ProviderError) as caught:
        await client.chat(a_request())
    report = await client.check()
    await client.aclose()
    told = [
        str(caught.value),
        repr(caught.value),
        "".join(traceback.format_exception(caught.value)),
        repr(client),
        repr(vars(client)["_http"].headers),
        repr(report),
        caplog.text,
    ]
    assert [text for text in told if KEY in text or KEY[-8:] in text] == []


async def test_check_lists_the_models() -> None:
    listed = {"object": "list", "data": [{"id": "gpt-4o-mini"}, {"id": "gpt-4o"}]}
    report = await check(lambda _: httpx.Response(200, json=listed, headers={"x-simulated": "true"}))
    assert report == ConnectionReport(
        ok=True,
        message="Connected. The account offers 2 models.",
        models=("gpt-4o-mini", "gpt-4o"),
        simulated=True,
    )


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (httpx.Response(401, json={"error": {"message": "no"}}), "does not accept the key"),
        (httpx.Response(404, text="not found"), "no list of models"),
        (httpx.Response(200, text="<html>Welcome</html>"), "not as an OpenAI-compatible API"),
        (httpx.Response(200, json={"models": []}), "not as an OpenAI-compatible API"),
        (httpx.Response(503, text=""), "overloaded"),
        (httpx.Response(302, headers={"location": "/login"}), "final base URL"),
    ],
)
async def test_check_says_in_plain_words_what_is_wrong(response: httpx.Response, words: str) -> None:
    report = await check(lambda _: response)
    assert not report.ok
    assert words in report.message

"""The Messages API over faked transports: what is sent, and what its streams and errors become."""

import json

import httpx
import pytest

from readiness.providers.base import (
    ChatRequest,
    Message,
    OverloadedError,
    ProviderError,
    ProviderFaultError,
    RampLimitedError,
    RateLimitedError,
    Usage,
)
from readiness.providers.clients.anthropic import AnthropicWire
from tests.providers.clients.support import KEY, Handler, a_client, a_request, chat, check, streamed

WIRE = AnthropicWire()
ANSWER = {
    "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Two years."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 19, "output_tokens": 5},
}


def event(name: str, **fields: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


START = event(
    "message_start",
    message=ANSWER | {"content": [], "stop_reason": None, "usage": {"input_tokens": 19, "output_tokens": 1}},
)
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
END = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})
STOP = event("message_stop")


def text(words: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": words})


def failure(kind: str, message: str = "No.") -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message}}


async def sent(**values: object) -> httpx.Request:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    await chat(handler, wire=WIRE, **values)
    return seen[0]


async def test_request_goes_out_with_key_and_version() -> None:
    request = await sent(stream=False, request_id="abc123", parameters={"temperature": 0})
    assert str(request.url) == "https://api.example.com/v1/messages"
    assert request.headers["x-api-key"] == KEY
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["x-request-id"] == "abc123"
    assert "authorization" not in request.headers
    assert json.loads(request.content) == {
        "model": "gpt-4o-mini",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "How long is the warranty?"}],
        "temperature": 0,
        "max_tokens": 64,
    }


async def test_request_without_a_key_sends_none() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    client = a_client(handler, key="", wire=WIRE)
    await client.chat(a_request())
    await client.aclose()
    assert "x-api-key" not in seen[0].headers


def body(**values: object) -> dict[str, object]:
    request: ChatRequest = a_request(**values)
    return dict(WIRE.body(request))


def test_system_messages_stand_apart_and_turns_keep_their_order() -> None:
    turns = (
        Message("system", "Be brief."),
        Message("user", "One?"),
        Message("assistant", "1"),
        Message("developer", "Use digits."),
        Message("user", "Two?"),
    )
    made = body(messages=turns)
    assert made["system"] == "Be brief.\n\nUse digits."
    assert [turn["content"] for turn in made["messages"]] == ["One?", "1", "Two?"]  # type: ignore[attr-defined]


def test_request_without_a_system_message_has_no_system() -> None:
    assert "system" not in body(messages=(Message("user", "One?"),))


@pytest.mark.parametrize("stop", ["END", ["END"]])
def test_stop_is_sent_under_its_own_name(stop: object) -> None:
    made = body(parameters={"stop": stop})
    assert made["stop_sequences"] == ["END"]
    assert "stop" not in made


def test_parameters_cannot_replace_what_the_client_sets() -> None:
    sneaky = {
        "model": "x",
        "messages": [],
        "system": "x",
        "stream": False,
        "max_tokens": 9,
        "max_completion_tokens": 9,
        "include_usage": False,
        "top_k": 5,
    }
    plain, made = body(), body(parameters=sneaky)
    assert made == plain | {"top_k": 5}


async def test_whole_answer_is_read() -> None:
    headers = {"anthropic-ratelimit-input-tokens-remaining": "29000"}
    reply = await chat(lambda _: httpx.Response(200, json=ANSWER, headers=headers), wire=WIRE, stream=False)
    assert (reply.text, reply.model, reply.finish_reason) == (
        "Two years.",
        "claude-sonnet-4-5-20250929",
        "stop",
    )
    assert reply.usage == Usage(input_tokens=19, output_tokens=5)
    assert (reply.ttft_ms, reply.headers_age_ms) == (None, 100)
    assert reply.rate_limits.remaining == {"input_tokens": 29_000}


async def test_stream_is_read_and_its_first_text_timed() -> None:
    parts = (START, BLOCK, event("ping"), text("Two "), text("years."), END, STOP)
    reply = await chat(streamed(*parts), wire=WIRE)
    assert (reply.text, reply.finish_reason) == ("Two years.", "stop")
    assert reply.usage == Usage(input_tokens=19, output_tokens=5)
    assert (reply.ttft_ms, reply.latency_ms) == (200, 300)


@pytest.mark.parametrize(
    "parts", [[START, text("Two ")], [START], [STOP], [event("ping")]], ids=["text", "start", "stop", "ping"]
)
async def test_cut_stream_is_a_fault_of_the_provider(parts: list[bytes]) -> None:
    with pytest.raises(ProviderFaultError, match="broke off"):
        await chat(streamed(*parts), wire=WIRE)


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("overloaded_error", OverloadedError, 529),
        ("rate_limit_error", RateLimitedError, 429),
        ("api_error", ProviderFaultError, 500),
    ],
)
async def test_error_event_in_a_stream_is_that_error(
    kind: str, error: type[ProviderError], status: int
) -> None:
    told = event("error", error={"type": kind, "message": "No."})
    with pytest.raises(error) as caught:
        await chat(streamed(START, text("Two "), told), wire=WIRE)
    assert type(caught.value) is error
    assert caught.value.http_status == status


async def test_acceleration_limit_asks_for_a_slower_rise() -> None:
    document = failure("rate_limit_error", message="This would exceed your acceleration limit.")
    with pytest.raises(RampLimitedError):
        await chat(lambda _: httpx.Response(429, json=document), wire=WIRE)


def _listed(request: httpx.Request) -> httpx.Response:
    assert str(request.url) == "https://api.example.com/v1/models?limit=1000"
    models = [{"type": "model", "id": "claude-sonnet-4-5-20250929", "display_name": "Claude Sonnet 4.5"}]
    return httpx.Response(200, json={"data": models, "has_more": False})


async def test_check_lists_the_models() -> None:
    report = await check(_listed, wire=WIRE)
    assert (report.ok, report.models) == (True, ("claude-sonnet-4-5-20250929",))


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (lambda _: httpx.Response(401, json=failure("authentication_error")), "does not accept the key"),
        (lambda _: httpx.Response(404, json=failure("not_found_error")), "no list of models"),
        (lambda _: httpx.Response(200, text="<html>"), "not as the Anthropic API"),
    ],
)
async def test_check_says_in_plain_words_what_is_wrong(handler: Handler, words: str) -> None:
    report = await check(handler, wire=WIRE)
    assert not report.ok
    assert words in report.message

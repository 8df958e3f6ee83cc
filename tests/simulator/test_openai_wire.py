import json
from typing import Any

import pytest

from readiness.simulator.openai_wire import OPENAI, parse_chat_request
from readiness.simulator.quota import Reading, Unit
from readiness.simulator.wire import ApiError
from tests.simulator.builders import MODEL


def parse(**fields: object) -> object:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]} | fields
    return parse_chat_request(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "12"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": 2.5}, "temperature"),
        ({"n": 2}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_request_that_makes_no_sense_names_its_parameter(fields: dict[str, object], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse(**fields)
    assert caught.value.status == 400
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"null"])
def test_body_that_is_no_request_is_a_400(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse_chat_request(body)
    assert caught.value.status == 400


def test_error_does_not_repeat_the_value() -> None:
    with pytest.raises(ApiError) as caught:
        parse(temperature="my secret")
    assert "secret" not in caught.value.message


def test_nulls_stand_for_absent_parameters() -> None:
    request = parse_chat_request(
        json.dumps(
            {
                "model": MODEL,
                "messages": [{"role": "assistant", "content": None}],
                "max_tokens": None,
                "temperature": None,
                "stream": None,
                "top_p": 1,
            }
        ).encode()
    )
    assert request.texts == []
    assert request.stated_max_tokens is None


def test_newer_name_of_the_output_limit_wins() -> None:
    request = parse(max_tokens=5, max_completion_tokens=7)
    assert request.stated_max_tokens == 7  # type: ignore[attr-defined]


def reading(unit: Unit = "requests", **changes: Any) -> Reading:
    return Reading(**{"unit": unit, "limit": 60, "remaining": 59, "reset_seconds": 1.0} | changes)


def test_headers_say_limit_remaining_and_reset() -> None:
    tokens = reading("tokens", limit=6_000, remaining=4_950, reset_seconds=10.5)
    assert OPENAI.limit_headers([reading(), tokens], 0) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "4950",
        "x-ratelimit-reset-tokens": "10.5s",
    }


def test_headers_know_no_limits_on_input_and_output_apart() -> None:
    assert OPENAI.limit_headers([reading("input_tokens"), reading("output_tokens")], 0) == {}

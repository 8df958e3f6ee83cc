import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from readiness.simulator.anthropic_wire import ANTHROPIC
from readiness.simulator.quota import Reading
from readiness.simulator.wire import ApiError
from tests.simulator.builders import KEY, MODEL, SOURCE, ManualClock, ask, ledger_of, message_body, tell
from tests.simulator.conftest import Simulate

METERED = {"accounting": "anthropic"}


def events(response: httpx.Response) -> list[dict[str, Any]]:
    found = []
    for block in response.text.strip().split("\n\n"):
        kind, data = block.splitlines()
        event = json.loads(data.removeprefix("data: "))
        assert kind == f"event: {event['type']}"
        found.append(event)
    return found


def marked(text: str = SOURCE) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]


async def test_message_has_the_shape_of_the_wire(simulate: Simulate) -> None:
    body = (await tell(simulate())).json()
    assert (body["type"], body["role"], body["model"]) == ("message", "assistant", MODEL)
    assert body["stop_reason"] == "end_turn"
    assert body["content"][0]["text"].endswith("24 months.")


async def test_message_says_what_the_other_wire_says(simulate: Simulate) -> None:
    client = simulate(hallucination_rate=0.5)
    one = (await ask(client)).json()["choices"][0]["message"]["content"]
    assert (await tell(client)).json()["content"][0]["text"] == one


async def test_stream_carries_text_usage_and_reason_in_their_events(simulate: Simulate) -> None:
    client = simulate()
    whole = (await tell(client)).json()
    found = events(await tell(client, stream=True))
    kinds = [event["type"] for event in found]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    texts = [event["delta"]["text"] for event in found if event["type"] == "content_block_delta"]
    assert "".join(texts) == whole["content"][0]["text"]
    assert found[0]["message"]["usage"]["input_tokens"] == whole["usage"]["input_tokens"]
    assert found[-2]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


async def test_output_limit_ends_the_message(simulate: Simulate) -> None:
    body = (await tell(simulate(), max_tokens=3)).json()
    assert (body["stop_reason"], body["usage"]["output_tokens"]) == ("max_tokens", 3)


@pytest.mark.parametrize("headers", [{"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}])
async def test_key_may_come_in_either_header(simulate: Simulate, headers: dict[str, str]) -> None:
    client = simulate()
    del client.headers["authorization"]
    assert (await tell(client, headers=headers)).status_code == 200


async def test_key_header_of_this_wire_is_none_of_the_others(simulate: Simulate) -> None:
    client = simulate()
    del client.headers["authorization"]
    assert (await ask(client, headers={"x-api-key": KEY})).status_code == 401


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_failure_has_the_type_of_its_status(status: int, kind: str) -> None:
    response = ANTHROPIC.failure(ApiError(status, "Because."))
    assert response.status_code == status
    assert json.loads(bytes(response.body)) == {
        "type": "error",
        "error": {"type": kind, "message": "Because."},
    }


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"temperature": 1.5}, "temperature"),
        ({"messages": [{"role": "system", "content": "Hi"}]}, "messages.0.role"),
        ({"system": [{"type": "image"}]}, "system.0.type"),
    ],
)
def test_request_that_makes_no_sense_names_its_parameter(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        ANTHROPIC.read(json.dumps(message_body() | changes).encode())
    assert (caught.value.status, caught.value.param) == (400, param)


async def test_wrong_method_is_refused_in_the_wires_shape(simulate: Simulate) -> None:
    refused = await simulate().get("/v1/messages")
    assert (refused.status_code, refused.json()["type"]) == (405, "error")


async def test_models_are_listed_in_the_shape_that_the_client_reads(simulate: Simulate) -> None:
    headers = {"anthropic-version": "2023-06-01", "x-api-key": KEY}
    body = (await simulate().get("/v1/models", headers=headers)).json()
    assert (body["first_id"], body["last_id"], body["has_more"]) == (MODEL, MODEL, False)
    assert body["data"][0]["type"] == "model"


def test_headers_tell_every_unit_and_the_moment_of_its_reset() -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
    assert ANTHROPIC.limit_headers([Reading("input_tokens", 100, 40, 35.2)], noon) == {
        "anthropic-ratelimit-input-tokens-limit": "100",
        "anthropic-ratelimit-input-tokens-remaining": "40",
        "anthropic-ratelimit-input-tokens-reset": "2026-06-01T12:00:36Z",
    }


async def test_reply_repeats_the_request_id_under_the_name_of_this_wire(simulate: Simulate) -> None:
    assert (await tell(simulate(), headers={"x-request-id": "mine"})).headers["request-id"] == "mine"


async def test_real_output_is_charged_whatever_the_limit_of_the_request(simulate: Simulate) -> None:
    client = simulate(quota=METERED)
    usage = (await tell(client, max_tokens=5_000)).json()["usage"]
    totals = await ledger_of(client)
    assert totals["charged_input_tokens"] == usage["input_tokens"]
    assert totals["charged_output_tokens"] == usage["output_tokens"]
    assert totals["charged_tokens"] == usage["input_tokens"] + usage["output_tokens"]


async def test_output_is_charged_while_a_stream_is_sent(simulate: Simulate, clock: ManualClock) -> None:
    client = simulate(quota=METERED | {"otpm": 1_000, "window": "sliding"}, tokens_per_second={"median": 1})
    await tell(client, stream=True)
    seconds = (await client.get("/sim/ledger?timeline=1")).json()["timelines"][MODEL]["seconds"]
    produced = [second["charged_output_tokens"] for second in seconds if second["charged_output_tokens"]]
    assert len(produced) > 2
    assert sum(produced) == (await ledger_of(client))["completed_output_tokens"]


async def test_request_is_refused_only_once_the_output_is_used_up(
    simulate: Simulate, clock: ManualClock
) -> None:
    client = simulate(speed=float("inf"), fixed_answer="Ten tokens. " * 3, quota=METERED | {"otpm": 12})
    replies = [await tell(client) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[2].json()["error"]["type"] == "rate_limit_error"
    clock.advance(int(replies[2].headers["retry-after"]))
    assert (await tell(client)).status_code == 200


async def test_repeated_prefix_is_read_from_the_cache(simulate: Simulate, clock: ManualClock) -> None:
    client = simulate(quota=METERED)
    first, second = [(await tell(client, system=marked())).json()["usage"] for _ in range(2)]
    assert (first["cache_read_input_tokens"], second["cache_creation_input_tokens"]) == (0, 0)
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"] > 30
    totals = await ledger_of(client)
    assert totals["cached_input_tokens"] == second["cache_read_input_tokens"]
    assert totals["admitted_input_tokens"] - totals["charged_input_tokens"] == totals["cached_input_tokens"]


async def test_prefix_ends_at_the_last_marked_block(simulate: Simulate) -> None:
    turn = {"role": "user", "content": [*marked("a" * 400), {"type": "text", "text": "b" * 400}]}
    usage = (await tell(simulate(), system="c" * 400, messages=[turn])).json()["usage"]
    assert (usage["cache_creation_input_tokens"], usage["input_tokens"]) == (200, 100)

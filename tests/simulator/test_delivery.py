import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.types import Message

from readiness.simulator.app import create_app
from tests.simulator.builders import (
    KEY,
    MODEL,
    ManualClock,
    ask,
    chat_body,
    ledger_of,
    make_profile,
    said,
    serving,
    talk,
    tell,
)
from tests.simulator.conftest import Simulate


def events(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def streamed(response: httpx.Response) -> str:
    return "".join(
        choice["delta"].get("content", "") for event in events(response) for choice in event["choices"]
    )


async def test_whole_answer_has_the_shape_of_the_wire(simulate: Simulate) -> None:
    body = (await ask(simulate())).json()
    assert body["object"] == "chat.completion"
    assert body["model"] == MODEL
    assert body["choices"][0]["finish_reason"] == "stop"
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_stream_says_the_same_as_the_whole_answer(simulate: Simulate) -> None:
    client = simulate(hallucination_rate=0.5)
    whole = said(await ask(client))
    response = await ask(client, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert streamed(response) == whole


async def test_stream_begins_with_the_role_and_ends_with_the_reason(simulate: Simulate) -> None:
    found = events(await ask(simulate(), stream=True))
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [event["choices"][0]["finish_reason"] for event in found[-2:]] == [None, "stop"]
    assert all("usage" not in event for event in found)


async def test_stream_ends_with_the_usage_where_it_was_asked_for(simulate: Simulate) -> None:
    client = simulate()
    usage = (await ask(client)).json()["usage"]
    found = events(await ask(client, stream=True, stream_options={"include_usage": True}))
    assert found[-1]["choices"] == []
    assert found[-1]["usage"] == usage
    assert all(event["usage"] is None for event in found[:-1])


async def test_ledger_equals_the_usage_that_clients_were_told(simulate: Simulate) -> None:
    client = simulate()
    usage = (await ask(client)).json()["usage"]
    await ask(client, stream=True)
    totals = await ledger_of(client)
    assert totals["completed"] == 2
    assert totals["completed_input_tokens"] == 2 * usage["prompt_tokens"]
    assert totals["completed_output_tokens"] == 2 * usage["completion_tokens"]


async def test_answer_takes_the_time_of_the_profile(simulate: Simulate, clock: ManualClock) -> None:
    usage = (await ask(simulate())).json()["usage"]
    assert sum(clock.slept) == pytest.approx(0.2 + usage["completion_tokens"] / 100)


async def test_stream_spreads_its_time_over_its_pieces(simulate: Simulate, clock: ManualClock) -> None:
    await ask(simulate(), stream=True)
    assert clock.slept[0] == pytest.approx(0.2)
    assert len(clock.slept) > 2
    assert 0 < sum(clock.slept[1:]) < 0.2


async def test_speed_divides_every_latency(simulate: Simulate, clock: ManualClock) -> None:
    usage = (await ask(simulate(speed=10))).json()["usage"]
    assert sum(clock.slept) == pytest.approx(0.02 + usage["completion_tokens"] / 1_000)


async def test_infinite_speed_never_sleeps(simulate: Simulate, clock: ManualClock) -> None:
    await ask(simulate(speed=float("inf")))
    assert clock.slept == []


async def test_slow_fault_waits_in_real_seconds(simulate: Simulate, clock: ManualClock) -> None:
    await ask(simulate(speed=float("inf")), headers={"x-sim-fault": "slow; delay=4"})
    assert clock.slept == [4]


async def test_place_is_taken_while_the_answer_is_made(simulate: Simulate) -> None:
    client = simulate(quota={"concurrency": 1})
    replies = await asyncio.gather(ask(client), ask(client))
    assert sorted(reply.status_code for reply in replies) == [200, 429]


def make_app(clock: ManualClock, **profile: Any) -> Any:
    return create_app(profiles={MODEL: make_profile(**profile)}, clock=clock, sleep=clock.sleep)


async def ledger_after(app: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator") as client:
        return await ledger_of(client)


@pytest.mark.parametrize("stream", [True, False])
async def test_ledger_and_place_are_settled_before_the_last_bytes_leave(
    clock: ManualClock, stream: bool
) -> None:
    app, seen = make_app(clock), []

    async def look(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            seen.append(await ledger_after(app))

    await talk(app, json.dumps(chat_body(stream=stream)).encode(), look=look)
    assert [(totals["completed"], totals["in_flight"]) for totals in seen] == [(1, 0)]


@pytest.mark.parametrize("stream", [True, False])
async def test_cut_answer_stops_half_way(clock: ManualClock, stream: bool) -> None:
    app = make_app(clock, quota={"concurrency": 1})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator") as client:
        await client.post("/sim/faults", json={"kind": "cut", "count": 1})
    sent = await talk(app, json.dumps(chat_body(stream=stream)).encode())
    whole = await talk(app, json.dumps(chat_body(stream=stream)).encode())
    body, whole_body = (b"".join(message.get("body", b"") for message in each) for each in (sent, whole))
    assert 0.2 < len(body) / len(whole_body) < 0.8
    assert sent[-1]["more_body"]
    totals = await ledger_after(app)
    assert (totals["cut"], totals["completed"], totals["in_flight"]) == (1, 1, 0)


@pytest.mark.parametrize("stream", [True, False])
async def test_cut_answer_breaks_the_connection(clock: ManualClock, stream: bool) -> None:
    async with serving(make_app(clock)) as url, httpx.AsyncClient(base_url=url) as client:
        headers = {"authorization": f"Bearer {KEY}", "x-sim-fault": "cut"}
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(client, headers=headers, stream=stream)


@pytest.mark.parametrize("ask_on", [ask, tell])
async def test_outage_closes_the_connection_without_an_answer(clock: ManualClock, ask_on: Any) -> None:
    app = make_app(clock)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        await client.post("/sim/faults", json={"kind": "outage", "seconds": 60})
        client.headers["authorization"] = f"Bearer {KEY}"
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await ask_on(client)
        clock.advance(60)
        assert (await ask_on(client)).status_code == 200
    totals = await ledger_after(app)
    assert (totals["outage"], totals["seen"], totals["charged_tokens"]) == (1, 2, 256)


async def test_stream_that_the_client_leaves_is_abandoned(clock: ManualClock) -> None:
    app = make_app(clock, quota={"concurrency": 1})
    await talk(app, json.dumps(chat_body(stream=True)).encode(), leave_after=3)
    totals = await ledger_after(app)
    assert (totals["abandoned"], totals["completed"], totals["in_flight"]) == (1, 0, 0)
    assert 0 < totals["lost_output_tokens"] < 7


async def test_answer_that_is_cancelled_is_abandoned() -> None:
    asleep = asyncio.Event()

    async def sleep_on(_seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    app = create_app(profiles={MODEL: make_profile()}, sleep=sleep_on)
    task = asyncio.create_task(talk(app, json.dumps(chat_body()).encode()))
    await asleep.wait()
    assert (await ledger_after(app))["in_flight"] == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    totals = await ledger_after(app)
    assert (totals["abandoned"], totals["in_flight"]) == (1, 0)

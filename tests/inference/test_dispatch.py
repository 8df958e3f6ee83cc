"""Dispatch against the simulated AI service and a real Redis; what was recorded is read from the stream."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from asgiref.sync import sync_to_async

from readiness.inference.dispatch import MAX_ATTEMPTS, Call, open_door
from readiness.lib.events import STREAM_KEY, Outcome, Purpose, UsageEvent
from readiness.limits.queries import upstream_state
from readiness.limits.tickets import RefusedError
from readiness.providers.base import (
    BadCredentialError,
    DeploymentSpec,
    Message,
    OutOfCreditError,
    PriceTable,
    ProviderFaultError,
    Quota,
    RateLimitedError,
    Rates,
    Replay,
)
from readiness.providers.registry import ClientPool
from readiness.simulator.app import create_app
from tests.builders import make_deployment
from tests.limits.process import failing_database

pytestmark = pytest.mark.django_db(transaction=True)

MODEL = "sim-medium-2026-06"

COMPLETION = {
    "id": "1",
    "object": "chat.completion",
    "model": MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def spec(**values) -> DeploymentSpec:
    fields = {
        "id": 7,
        "account_id": 3,
        "label": "Simulated · medium",
        "kind": "openai",
        "base_url": "https://sim.example.com/v1",
        "credential": "sim-key",
        "model": MODEL,
        "parameters": {},
        "max_output_tokens": 64,
        "quota": Quota(rpm=600, tpm=200_000),
        "simulated": True,
        "prices": PriceTable(known=True, input_token=500, output_token=2000),
    }
    return DeploymentSpec(**(fields | values))


def call(**values) -> Call:
    fields = {
        "spec": spec(),
        "messages": (
            Message(
                "user", "Question: How long does the battery last?\n\nSource: The battery lasts 10 days."
            ),
        ),
        "max_tokens": 64,
        "parameters": {"temperature": 0},
        "project_id": 1,
        "tier": "pro",
        "tenant": "t",
        "purpose": Purpose.APP,
    }
    return Call(**(fields | values))


@pytest.fixture
def simulator():
    """The simulated service without latency and without errors of its own."""
    return create_app(speed=float("inf"))


@pytest.fixture
def quick(monkeypatch):
    """Retries without their pauses."""
    monkeypatch.setattr("readiness.inference.dispatch._FIRST_BACKOFF_S", 0.0)


@asynccontextmanager
async def door_to(app):
    async with open_door(ClientPool(transport=httpx.ASGITransport(app=app))) as door:
        yield door


async def break_next(app, kind: str, **fault) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sim") as client:
        reply = await client.post("/sim/faults", json={"kind": kind, "count": 1, **fault})
        reply.raise_for_status()


async def ledger(app) -> dict:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sim") as client:
        return (await client.get("/sim/ledger")).json()["models"][MODEL]


def events(server) -> list[UsageEvent]:
    return [UsageEvent.from_entry(fields) for _, fields in server.xrange(STREAM_KEY)]


async def test_answer_comes_with_usage_cost_and_one_event(redis_server, simulator):
    async with door_to(simulator) as door:
        result = await door.dispatch(call())
    (event,) = events(redis_server)
    assert "10 days" in result.text
    assert result.cost_nanos == result.usage.input_tokens * 500 + result.usage.output_tokens * 2000
    assert (event.outcome, event.final, event.cost_nanos) == (Outcome.OK, True, result.cost_nanos)
    assert event.at_ms > 0


async def test_records_equal_the_providers_ledger(redis_server, simulator):
    async with door_to(simulator) as door:
        await asyncio.gather(*(door.dispatch(call()) for _ in range(20)))
    seen = await ledger(simulator)
    recorded = [event for event in events(redis_server) if event.outcome == Outcome.OK]
    assert len(recorded) == seen["completed"]
    assert sum(event.output_tokens for event in recorded) == seen["completed_output_tokens"]
    assert sum(event.input_tokens for event in recorded) == seen["completed_input_tokens"]


async def test_answer_is_stored_before_its_permit_is_settled(redis_server, simulator):
    seen_at_store = []

    async def store(result) -> None:
        seen_at_store.append((result.text, len(events(redis_server))))

    async with door_to(simulator) as door:
        result = await door.dispatch(call(), store=store)
    assert seen_at_store == [(result.text, 0)]
    assert len(events(redis_server)) == 1


async def test_a_store_that_fails_still_settles_what_was_paid(redis_server, simulator):
    async def store(result) -> None:
        raise OSError("disk full")

    async with door_to(simulator) as door:
        with pytest.raises(OSError, match="disk full"):
            await door.dispatch(call(), store=store)
    assert [event.outcome for event in events(redis_server)] == [Outcome.OK]


async def test_a_fault_is_tried_again_with_an_event_for_each_attempt(redis_server, simulator, quick):
    await break_next(simulator, "500")
    async with door_to(simulator) as door:
        result = await door.dispatch(call())
    first, second = events(redis_server)
    assert result.attempts == 2
    assert (first.outcome, first.final, first.http_status) == (Outcome.FAILED, False, 500)
    assert (second.outcome, second.final, second.attempt) == (Outcome.OK, True, 2)
    assert first.request_id == second.request_id


async def test_faults_without_end_are_raised_after_the_last_attempt(redis_server, simulator, quick):
    await break_next(simulator, "500", count=50)
    async with door_to(simulator) as door:
        with pytest.raises(ProviderFaultError):
            await door.dispatch(call())
    recorded = events(redis_server)
    assert [event.final for event in recorded] == [False] * (MAX_ATTEMPTS - 1) + [True]


async def test_a_429_pauses_the_upstream_and_the_call_is_answered_after_it(redis_server, simulator):
    await break_next(simulator, "429", retry_after=1)
    async with door_to(simulator) as door:
        result = await door.dispatch(call())
    first, second = events(redis_server)
    assert (first.http_status, first.error_class) == (429, "rate_limited")
    assert second.queued
    assert result.queue_ms >= 1000


async def test_a_wrong_key_is_never_tried_again(redis_server, simulator):
    async with door_to(simulator) as door:
        with pytest.raises(BadCredentialError):
            await door.dispatch(call(spec=spec(credential="wrong")))
    (event,) = events(redis_server)
    assert (event.final, event.http_status, event.cost_nanos) == (True, 401, 0)


async def broke(scope, receive, send) -> None:
    """A service whose customer has no credit left."""
    body = b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'
    await send({"type": "http.response.start", "status": 429, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def test_out_of_credit_stops_everybody_at_the_upstream(redis_server):
    async with door_to(broke) as door:
        with pytest.raises(OutOfCreditError):
            await door.dispatch(call())
        with pytest.raises(RefusedError) as refusal:
            await door.dispatch(call())
    assert refusal.value.reason == "out_of_credit"
    assert [event.outcome for event in events(redis_server)] == [Outcome.FAILED, Outcome.REFUSED]


async def test_out_of_credit_is_what_the_caller_hears_although_the_alert_cannot_be_written(redis_server):
    deployment = await sync_to_async(make_deployment)()
    async with door_to(broke) as door, failing_database("alerts_alert"):
        with pytest.raises(OutOfCreditError):
            await door.dispatch(call(spec=spec(id=deployment.pk)))


async def test_an_answer_that_cannot_be_priced_gives_its_place_back(redis_server):
    async def long(scope, receive, send):
        body = json.dumps(COMPLETION | {"usage": {"prompt_tokens": 10_000, "completion_tokens": 1}}).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    prices = PriceTable(known=True, long_inputs=((5_000, Rates(input_token=float("nan"))),))
    async with door_to(long) as door:
        with pytest.raises(ValueError, match="NaN"):
            await door.dispatch(call(spec=spec(prices=prices)))
        assert upstream_state("d7").in_flight == 0
    assert [event.outcome for event in events(redis_server)] == [Outcome.FAILED]


async def test_a_request_that_no_quota_can_hold_is_refused_before_it_is_sent(redis_server, simulator):
    async with door_to(simulator) as door:
        with pytest.raises(RefusedError) as refusal:
            await door.dispatch(call(spec=spec(quota=Quota(tpm=50))))
    assert refusal.value.reason == "too_large"
    assert (await ledger(simulator))["seen"] == 0


async def test_a_cancelled_call_is_settled_as_cancelled(redis_server):
    started = asyncio.Event()

    async def hanging(scope, receive, send):
        started.set()
        await asyncio.sleep(60)

    async with door_to(hanging) as door:
        task = asyncio.create_task(door.dispatch(call()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [event.outcome for event in events(redis_server)] == [Outcome.CANCELLED]


async def test_a_call_that_broke_off_keeps_what_it_may_have_cost(redis_server, quick):
    async def cut():
        yield b'{"id": "1", '
        raise httpx.ReadError("cut")

    answers = [httpx.Response(200, content=cut()), httpx.Response(200, json=COMPLETION)]
    transport = httpx.MockTransport(lambda request: answers.pop(0))
    async with open_door(ClientPool(transport=transport)) as door:
        await door.dispatch(call())
    broken, answered = events(redis_server)
    assert (broken.outcome, broken.output_tokens) == (Outcome.FAILED, 64)
    assert broken.cost_nanos >= 64 * 2000 > answered.cost_nanos


async def test_refusals_without_a_pause_end_with_the_longest_wait(redis_server):
    asked = 0

    async def full(scope, receive, send):
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)
        body = b'{"detail": {"status": "too_many_concurrent_requests", "message": "busy"}}'
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with door_to(full) as door:
        with pytest.raises((RefusedError, RateLimitedError)):
            await door.dispatch(call(longest_wait_s=1.5))
    assert asked <= 3


async def test_a_replay_takes_no_permit_and_leaves_no_record(redis_server):
    recorded = spec(kind="recorded", model="old-model", prices=PriceTable(known=True))
    replay = Replay(text="As recorded.", model="old-model")
    async with door_to(None) as door:
        result = await door.dispatch(call(spec=recorded, replay=replay))
    assert (result.text, result.latency_ms, result.cost_nanos) == ("As recorded.", None, 0)
    assert events(redis_server) == []


async def test_concurrency_of_the_quota_is_kept(redis_server):
    running, most = 0, 0

    async def slow(scope, receive, send):
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await asyncio.sleep(0.02)
        running -= 1
        body = json.dumps(COMPLETION).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    limited = replace(spec(), quota=Quota(concurrency=2))
    async with door_to(slow) as door:
        await asyncio.gather(*(door.dispatch(call(spec=limited)) for _ in range(8)), return_exceptions=True)
    assert most == 2

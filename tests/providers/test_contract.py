"""What every kind of provider promises, run over the whole registry."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx
import pytest

from readiness.providers.base import (
    AccountSpec,
    ChatRequest,
    DeploymentSpec,
    Message,
    PriceTable,
    ProviderClient,
    ProviderError,
    Quota,
    Replay,
)
from readiness.providers.models import ProviderKind
from readiness.providers.registry import FACTORIES, ClientPool, open_client
from readiness.simulator.app import create_app
from readiness.simulator.profiles import DEFAULT_PROFILES

KEY = "sim-contract-key-0123456789"
RELIABLE = {
    name: profile.merged({"error_rate": 0, "hallucination_rate": 0})
    for name, profile in DEFAULT_PROFILES.items()
}
QUESTION = (
    Message("system", "Answer from the source only."),
    Message("user", "Question: How long is the warranty?\n\nSource: The warranty is two years. It is free."),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """How to reach one kind without a network, a request that it answers and one that it cannot."""

    spec: AccountSpec
    transport: Callable[[], httpx.AsyncBaseTransport | None]
    good: ChatRequest
    bad: ChatRequest


def _simulator() -> httpx.AsyncBaseTransport:
    return httpx.ASGITransport(app=create_app(profiles=RELIABLE, speed=math.inf))


def _messages(request: httpx.Request) -> httpx.Response:
    """The Messages API as it documents itself, with one model."""
    headers = {"x-simulated": "true"}
    model = "claude-sonnet-4-5"
    if request.url.path.endswith("/models"):
        return httpx.Response(200, headers=headers, json={"data": [{"type": "model", "id": model}]})
    asked = json.loads(request.content)
    if asked["model"] != model:
        error = {"type": "not_found_error", "message": f"model: {asked['model']}"}
        return httpx.Response(404, headers=headers, json={"type": "error", "error": error})
    usage = {"input_tokens": 40, "output_tokens": 6}
    message: dict[str, object] = {
        "type": "message",
        "model": model,
        "content": [],
        "stop_reason": None,
        "usage": usage,
    }
    if not asked.get("stream"):
        content = [{"type": "text", "text": "Two years."}]
        return httpx.Response(
            200, headers=headers, json=message | {"content": content, "stop_reason": "end_turn"}
        )
    events = (
        {"type": "message_start", "message": message},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Two years."}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 6}},
        {"type": "message_stop"},
    )
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return httpx.Response(200, headers=headers | {"content-type": "text/event-stream"}, text=stream)


CASES = {
    ProviderKind.ANTHROPIC: Case(
        spec=AccountSpec(kind="anthropic", base_url="https://api.anthropic.com/v1", credential=KEY),
        transport=lambda: httpx.MockTransport(_messages),
        good=ChatRequest(model="claude-sonnet-4-5", messages=QUESTION, max_tokens=64, request_id="r1"),
        bad=ChatRequest(model="no-such-model", messages=QUESTION, max_tokens=64),
    ),
    ProviderKind.OPENAI: Case(
        spec=AccountSpec(kind="openai", base_url="http://simulator/v1", credential=KEY),
        transport=_simulator,
        good=ChatRequest(model="sim-small-2026-06", messages=QUESTION, max_tokens=64, request_id="r1"),
        bad=ChatRequest(model="no-such-model", messages=QUESTION, max_tokens=64),
    ),
    ProviderKind.RECORDED: Case(
        spec=AccountSpec(kind="recorded", base_url="", credential=""),
        transport=lambda: None,
        good=ChatRequest(
            model="llama-2-7b-chat",
            messages=QUESTION,
            max_tokens=64,
            replay=Replay(text="Two years.", model="llama-2-7b-chat", latency_ms=840),
        ),
        bad=ChatRequest(model="llama-2-7b-chat", messages=QUESTION, max_tokens=64),
    ),
}


@pytest.fixture(params=sorted(FACTORIES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def _open(case: Case) -> ProviderClient:
    return open_client(case.spec, transport=case.transport())


def test_registry_serves_every_kind_and_the_contract_covers_it() -> None:
    assert set(FACTORIES) == set(ProviderKind) == set(CASES)


async def test_chat_answers_with_text_model_and_usage(case: Case) -> None:
    client = _open(case)
    reply = await client.chat(case.good)
    await client.aclose()
    assert "two years" in reply.text.lower()
    assert reply.model == case.good.model
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0


async def test_chat_without_streaming_answers_too_but_has_no_first_token(case: Case) -> None:
    client = _open(case)
    reply = await client.chat(replace(case.good, stream=False))
    await client.aclose()
    assert "two years" in reply.text.lower()
    assert reply.usage.output_tokens > 0
    assert reply.ttft_ms is None


async def test_chat_that_fails_raises_a_provider_error_in_plain_words(case: Case) -> None:
    client = _open(case)
    with pytest.raises(ProviderError, match=r"^(The|There) \w+ .*\.") as caught:
        await client.chat(case.bad)
    await client.aclose()
    assert not caught.value.retryable


async def test_replay_makes_no_request_and_says_so(case: Case) -> None:
    client = _open(case)
    reply = await client.chat(case.good)
    await client.aclose()
    assert client.is_replay == (case.good.replay is not None)
    assert reply.simulated == (not client.is_replay)
    assert (reply.ttft_ms is None) == client.is_replay


async def test_check_reports_success(case: Case) -> None:
    client = _open(case)
    report = await client.check()
    await client.aclose()
    assert report.ok
    assert not report.models or case.good.model in report.models


async def test_secret_is_in_no_repr(case: Case) -> None:
    client = _open(case)
    await client.chat(case.good)
    told = repr(client) + repr(case.spec)
    await client.aclose()
    assert KEY not in told


async def test_client_closes_twice_without_complaint(case: Case) -> None:
    client = _open(case)
    await client.aclose()
    await client.aclose()


async def test_unknown_kind_is_a_provider_error() -> None:
    with pytest.raises(ProviderError, match="carrier-pigeon"):
        open_client(AccountSpec(kind="carrier-pigeon", base_url="", credential=""))


async def test_pool_shares_one_client_between_the_deployments_of_an_account() -> None:
    def spec(number: int, credential: str) -> DeploymentSpec:
        return DeploymentSpec(
            id=number,
            account_id=1,
            label="",
            kind="openai",
            base_url="http://simulator/v1",
            credential=credential,
            model="sim-small-2026-06",
            parameters={},
            max_output_tokens=64,
            quota=Quota(),
            simulated=True,
            prices=PriceTable(known=False),
        )

    async with ClientPool(transport=_simulator()) as clients:
        assert clients.get(spec(1, KEY)) is clients.get(spec(2, KEY))
        assert clients.get(spec(1, KEY)) is not clients.get(spec(3, "sim-other"))
        assert (
            "two years"
            in (await clients.get(spec(1, KEY)).chat(CASES[ProviderKind.OPENAI].good)).text.lower()
        )

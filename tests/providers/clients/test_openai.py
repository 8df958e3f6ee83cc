"""What OpenAI-compatible servers are sent, and what they list."""

import json

import httpx

from tests.providers.clients.support import KEY, a_client, a_request, chat, check

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Two years."}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 19, "completion_tokens": 3, "total_tokens": 22},
}


async def test_client_sends_the_request_with_key_and_request_id() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    await chat(handler, request_id="abc123", parameters={"temperature": 0}, stream=False)
    (request,) = seen
    assert str(request.url) == "https://api.example.com/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-request-id"] == "abc123"
    assert json.loads(request.content) == {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How long is the warranty?"},
        ],
        "temperature": 0,
        "max_tokens": 64,
    }


async def test_client_without_a_key_sends_no_authorization() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    client = a_client(handler, key="")
    await client.chat(a_request(stream=False))
    await client.aclose()
    assert "authorization" not in seen[0].headers


async def test_check_reads_a_bare_list() -> None:
    report = await check(lambda _: httpx.Response(200, json=[{"id": "meta-llama/Llama-3-8b"}]))
    assert report.models == ("meta-llama/Llama-3-8b",)


async def test_check_of_azure_does_not_claim_to_know_the_deployments() -> None:
    listed = {"data": [{"id": "gpt-4o"}]}
    report = await check(
        lambda _: httpx.Response(200, json=listed), base_url="https://acme.openai.azure.com/openai/v1"
    )
    assert (report.ok, report.models) == (True, ())

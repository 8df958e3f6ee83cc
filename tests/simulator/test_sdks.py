"""Both providers' own clients, unchanged but for their address, take the service for the real one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai
import pytest

from readiness.simulator.app import create_app
from tests.simulator.builders import KEY, MODEL, ManualClock, chat_body, make_profile, message_body, serving

WARRANTY = "24 months."
BODY = {name: value for name, value in message_body().items() if name != "temperature"}
"""A message in the words that Anthropic's client knows."""


@asynccontextmanager
async def as_openai(**profile: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        serving(make_app(**profile)) as url,
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client,
    ):
        yield client


@asynccontextmanager
async def as_anthropic(**profile: Any) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with (
        serving(make_app(**profile)) as url,
        anthropic.AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0) as client,
    ):
        yield client


def make_app(**profile: Any) -> Any:
    clock = ManualClock()
    return create_app(profiles={MODEL: make_profile(**profile)}, clock=clock, sleep=clock.sleep)


async def test_openai_reads_a_whole_answer() -> None:
    async with as_openai() as client:
        answer = await client.chat.completions.create(**chat_body())
    assert (answer.choices[0].message.content or "").endswith(WARRANTY)
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


async def test_openai_reads_a_stream() -> None:
    body = chat_body(stream=True, stream_options={"include_usage": True})
    async with as_openai() as client:
        chunks = [chunk async for chunk in await client.chat.completions.create(**body)]
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text.endswith(WARRANTY)
    assert chunks[-1].usage is not None


async def test_openai_sees_the_quota() -> None:
    async with as_openai(quota={"rpm": 1}) as client:
        first = await client.chat.completions.with_raw_response.create(**chat_body())
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(**chat_body())
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert caught.value.code == "rate_limit_exceeded"


async def test_openai_lists_the_models() -> None:
    async with as_openai() as client:
        assert [model.id async for model in client.models.list()] == [MODEL]


async def test_anthropic_reads_a_whole_answer() -> None:
    async with as_anthropic() as client:
        message = await client.messages.create(**BODY)
    assert message.content[0].type == "text"
    assert message.content[0].text.endswith(WARRANTY)
    assert message.usage.output_tokens > 0


async def test_anthropic_reads_a_stream() -> None:
    async with as_anthropic() as client, client.messages.stream(**BODY) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()
    assert text.endswith(WARRANTY)
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


async def test_anthropic_sees_the_quota() -> None:
    quota = {"rpm": 1, "accounting": "anthropic"}
    async with as_anthropic(quota=quota) as client:
        first = await client.messages.with_raw_response.create(**BODY)
        with pytest.raises(anthropic.RateLimitError) as caught:
            await client.messages.create(**BODY)
    assert first.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert int(caught.value.response.headers["retry-after"]) > 0


async def test_anthropic_lists_the_models() -> None:
    async with as_anthropic() as client:
        assert [model.id async for model in client.models.list()] == [MODEL]

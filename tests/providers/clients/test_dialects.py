"""How servers differ in what they accept."""

import pytest

from readiness.providers.clients.dialects import dialect_of, wire_parameters


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://acme.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://api.mistral.ai/v1", "max_tokens"),
        ("https://api.openai.com.evil.example/v1", "max_tokens"),
        ("http://localhost:8000/v1", "max_tokens"),
    ],
)
def test_dialect_names_the_longest_answer_as_the_host_does(base_url: str, name: str) -> None:
    body = wire_parameters(dialect_of(base_url), {}, 64, stream=False)
    assert body == {name: 64}


def test_stream_asks_for_usage() -> None:
    body = wire_parameters(dialect_of("https://api.example.com/v1"), {}, 64, stream=True)
    assert body == {"max_tokens": 64, "stream": True, "stream_options": {"include_usage": True}}


def test_stream_of_mistral_is_not_asked_for_usage() -> None:
    body = wire_parameters(dialect_of("https://api.mistral.ai/v1"), {}, 64, stream=True)
    assert body == {"max_tokens": 64, "stream": True}


def test_switches_of_a_deployment_overrule_the_host() -> None:
    switches = {"max_tokens_parameter": "max_completion_tokens", "include_usage": False}
    body = wire_parameters(dialect_of("https://api.example.com/v1"), switches, 64, stream=True)
    assert body == {"max_completion_tokens": 64, "stream": True}


def test_parameters_cannot_replace_what_the_client_sets() -> None:
    sneaky = {
        "model": "x",
        "messages": [],
        "n": 9,
        "max_tokens": 9,
        "max_tokens_parameter": "messages",
        "seed": 1,
    }
    body = wire_parameters(dialect_of("https://api.example.com/v1"), sneaky, 64, stream=False)
    assert body == {"seed": 1, "max_tokens": 64}

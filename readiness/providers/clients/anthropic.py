"""Anthropic's own wire format: the Messages API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from readiness.providers.base import ChatRequest
from readiness.providers.clients.dialects import OURS, SWITCHES
from readiness.providers.clients.messages import MessageAnswer
from readiness.providers.clients.quota_headers import USUAL_HABITS, HeaderHabits

API_VERSION = "2023-06-01"
"""The one version that the API documents; without the header it refuses every request."""

_SYSTEM_ROLES = {"system", "developer"}


@dataclass(frozen=True, slots=True)
class AnthropicWire:
    """Messages, with the system prompt in a field of its own."""

    words: ClassVar[str] = "the Anthropic API"
    chat_path: ClassVar[str] = "/messages"
    # The list comes in pages, of 20 unless more are asked for.
    models_path: ClassVar[str] = "/models?limit=1000"
    lists_what_it_serves: bool = True
    habits: HeaderHabits = USUAL_HABITS

    def headers(self, key: str) -> Mapping[str, str]:
        return {"anthropic-version": API_VERSION} | ({"x-api-key": key} if key else {})

    def body(self, request: ChatRequest) -> Mapping[str, object]:
        """``stop`` goes out under Anthropic's name for it, so that one prompt serves every provider."""
        system = [message.content for message in request.messages if message.role in _SYSTEM_ROLES]
        turns = [message for message in request.messages if message.role not in _SYSTEM_ROLES]
        parameters = {
            name: value
            for name, value in request.parameters.items()
            if name not in OURS | SWITCHES | {"system", "stop"}
        }
        stop = request.parameters.get("stop")
        return {
            "model": request.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
            **({"system": "\n\n".join(system)} if system else {}),
            **({"stop_sequences": stop if isinstance(stop, list) else [stop]} if stop else {}),
            **parameters,
            "max_tokens": request.max_tokens,
            **({"stream": True} if request.stream else {}),
        }

    def new_answer(self) -> MessageAnswer:
        return MessageAnswer()

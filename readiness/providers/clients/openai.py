"""The OpenAI wire format: OpenAI itself and the many servers that speak it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from readiness.providers.base import ChatRequest
from readiness.providers.clients.completions import Completion
from readiness.providers.clients.dialects import Dialect, dialect_of, wire_parameters
from readiness.providers.clients.quota_headers import HeaderHabits


@dataclass(frozen=True, slots=True)
class OpenAIWire:
    """Chat completions, in the dialect of the server."""

    base_url: str
    words: ClassVar[str] = "an OpenAI-compatible API"
    chat_path: ClassVar[str] = "/chat/completions"
    models_path: ClassVar[str] = "/models"

    @property
    def dialect(self) -> Dialect:
        return dialect_of(self.base_url)

    @property
    def lists_what_it_serves(self) -> bool:
        return self.dialect.lists_what_it_serves

    @property
    def habits(self) -> HeaderHabits:
        return self.dialect.habits

    def headers(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, request: ChatRequest) -> Mapping[str, object]:
        return {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            **wire_parameters(self.dialect, request.parameters, request.max_tokens, stream=request.stream),
        }

    def new_answer(self) -> Completion:
        return Completion()

"""Anthropic's wire: bodies, stream, errors and headers of ``POST /v1/messages``.

Texts only; parameters not named here (``tools``, ``thinking``, ``metadata``) are accepted and ignored.
"""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from starlette.responses import JSONResponse, Response

from readiness.simulator.quota import Reading
from readiness.simulator.wire import (
    ApiError,
    ChatRequest,
    Completion,
    Lenient,
    Message,
    Usage,
    bad_request,
)

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    529: "overloaded_error",
}
_OUT_OF_CREDIT = 402
"""What this provider answers where OpenAI sends 429 with ``insufficient_quota``."""


def _as_blocks(content: object) -> object:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class _Block(Lenient):
    type: Literal["text"]
    text: str
    cache_control: dict[str, Any] | None = None


_Blocks = Annotated[list[_Block], BeforeValidator(_as_blocks)]


class _Turn(Lenient):
    role: Literal["user", "assistant"]
    content: _Blocks


class _MessagesRequest(Lenient):
    model: str = Field(max_length=200)
    max_tokens: int = Field(ge=1)
    messages: list[_Turn] = Field(min_length=1)
    system: _Blocks = []
    temperature: float | None = Field(default=None, ge=0, le=1)
    stream: bool | None = None


class AnthropicDialect:
    """A ``wire.Dialect``."""

    key_header: str | None = "x-api-key"

    def read(self, body: bytes) -> tuple[ChatRequest, tuple[str, ...]]:
        """The request, and its texts up to the last one that carries ``cache_control``."""
        try:
            asked = _MessagesRequest.model_validate_json(body)
        except ValidationError as error:
            raise bad_request(error) from None
        system = [Message(role="system", content=_texts(asked.system))] if asked.system else []
        chat = ChatRequest(
            model=asked.model,
            messages=[
                *system,
                *(Message(role=turn.role, content=_texts(turn.content)) for turn in asked.messages),
            ],
            max_tokens=asked.max_tokens,
            temperature=asked.temperature,
            stream=asked.stream,
        )
        return chat, _cached(asked)

    def limit_headers(self, readings: Iterable[Reading], unix: float) -> dict[str, str]:
        """``anthropic-ratelimit-*``; resets are moments (RFC 3339) of a whole second, rounded up."""
        found: dict[str, str] = {}
        for reading in readings:
            name = f"anthropic-ratelimit-{reading.unit.replace('_', '-')}"
            reset = datetime.fromtimestamp(math.ceil(unix + reading.reset_seconds), UTC)
            found[f"{name}-limit"] = str(reading.limit)
            found[f"{name}-remaining"] = str(reading.remaining)
            found[f"{name}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
        return found

    def retry_headers(self, seconds: float) -> dict[str, str]:
        """Whole seconds."""
        return {"retry-after": str(math.ceil(round(seconds, 6)))}

    def failure(self, error: ApiError) -> Response:
        """``{"type": "error", "error": {"type", "message"}}``."""
        status = _OUT_OF_CREDIT if error.code == "insufficient_quota" else error.status
        fault = {"type": _TYPES.get(status, "invalid_request_error"), "message": error.message}
        return JSONResponse({"type": "error", "error": fault}, status_code=status, headers=error.headers)

    def whole(self, completion: Completion) -> dict[str, Any]:
        """A ``message``."""
        return _message(completion) | {
            "content": [{"type": "text", "text": completion.text}],
            "stop_reason": _stop_reason(completion),
            "usage": _usage(completion.usage, completion.usage.output_tokens),
        }

    def opening(self, completion: Completion) -> bytes:
        """The message without its text, and the beginning of the only block."""
        message = _message(completion) | {"usage": _usage(completion.usage, 0)}
        block = {"type": "text", "text": ""}
        return _event("message_start", {"message": message}) + _event(
            "content_block_start", {"index": 0, "content_block": block}
        )

    def piece(self, completion: Completion, text: str) -> bytes:
        """One ``text_delta``."""
        return _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}})

    def closing(self, completion: Completion) -> bytes:
        """The end of the block, why it ended with the output's tokens, and the end mark."""
        delta = {"stop_reason": _stop_reason(completion), "stop_sequence": None}
        usage = {"output_tokens": completion.usage.output_tokens}
        return (
            _event("content_block_stop", {"index": 0})
            + _event("message_delta", {"delta": delta, "usage": usage})
            + _event("message_stop", {})
        )

    def models(self, names: Iterable[str], unix: float) -> dict[str, Any]:
        """One page that holds them all."""
        created = datetime.fromtimestamp(int(unix), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = [{"type": "model", "id": name, "display_name": name, "created_at": created} for name in names]
        first, last = (found[0]["id"], found[-1]["id"]) if found else (None, None)
        return {"data": found, "has_more": False, "first_id": first, "last_id": last}


ANTHROPIC = AnthropicDialect()


def _texts(blocks: Iterable[_Block]) -> tuple[str, ...]:
    return tuple(block.text for block in blocks)


def _cached(asked: _MessagesRequest) -> tuple[str, ...]:
    blocks = [*asked.system, *(block for turn in asked.messages for block in turn.content)]
    marked = [number for number, block in enumerate(blocks, start=1) if block.cache_control is not None]
    return _texts(blocks[: marked[-1]]) if marked else ()


def _message(completion: Completion) -> dict[str, Any]:
    return {
        "id": f"msg_{completion.id}",
        "type": "message",
        "role": "assistant",
        "model": completion.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _stop_reason(completion: Completion) -> str:
    return "max_tokens" if completion.truncated else "end_turn"


def _usage(usage: Usage, output_tokens: int) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_written_tokens,
        "cache_creation_input_tokens": usage.cache_written_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": output_tokens,
    }


def _event(kind: str, fields: Mapping[str, Any]) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()

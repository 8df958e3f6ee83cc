"""OpenAI's wire: bodies, stream, errors and headers of ``POST /v1/chat/completions``.

Parameters that are not named here (``top_p``, ``tools``, ``response_format``) are accepted and ignored.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from readiness.simulator.quota import Reading
from readiness.simulator.wire import ApiError, ChatRequest, Completion, Usage, bad_request, format_duration

_FINGERPRINT = "fp_simulated"


def parse_chat_request(body: bytes) -> ChatRequest:
    """The request of a body. Raises ``ApiError`` 400 that names the parameter at fault."""
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise bad_request(error) from None
    if request.stream_options is not None and not request.stream:
        raise ApiError(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    return request


class OpenAiDialect:
    """A ``wire.Dialect``."""

    key_header: str | None = None

    def read(self, body: bytes) -> tuple[ChatRequest, tuple[str, ...]]:
        """The request; nothing of it is cached."""
        return parse_chat_request(body), ()

    def limit_headers(self, readings: Iterable[Reading], unix: float) -> dict[str, str]:
        """``x-ratelimit-*``; this wire knows no limits on input and output apart, and durations for times."""
        found: dict[str, str] = {}
        for reading in readings:
            if reading.unit in {"requests", "tokens"}:
                found[f"x-ratelimit-limit-{reading.unit}"] = str(reading.limit)
                found[f"x-ratelimit-remaining-{reading.unit}"] = str(reading.remaining)
                found[f"x-ratelimit-reset-{reading.unit}"] = format_duration(reading.reset_seconds)
        return found

    def retry_headers(self, seconds: float) -> dict[str, str]:
        """Whole seconds, as the standard header wants, and OpenAI's own in milliseconds."""
        return {
            "retry-after": str(math.ceil(round(seconds, 6))),
            "retry-after-ms": str(math.ceil(round(seconds * 1000, 6))),
        }

    def failure(self, error: ApiError) -> Response:
        """``{"error": {"message", "type", "param", "code"}}``."""
        fault = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
        return JSONResponse({"error": fault}, status_code=error.status, headers=error.headers)

    def whole(self, completion: Completion) -> dict[str, Any]:
        """A ``chat.completion``."""
        message = {"role": "assistant", "content": completion.text, "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": _finish_reason(completion),
        }
        return _envelope(completion, "chat.completion") | {
            "choices": [choice],
            "usage": _usage(completion.usage),
        }

    def opening(self, completion: Completion) -> bytes:
        """The role."""
        return _chunk(completion, {"role": "assistant", "content": ""}, None)

    def piece(self, completion: Completion, text: str) -> bytes:
        """One chunk."""
        return _chunk(completion, {"content": text}, None)

    def closing(self, completion: Completion) -> bytes:
        """Why it ended, the usage where it was asked for, and the end mark."""
        events = _chunk(completion, {}, _finish_reason(completion))
        if completion.usage_in_stream:
            body = _envelope(completion, "chat.completion.chunk") | {
                "choices": [],
                "usage": _usage(completion.usage),
            }
            events += _event(body)
        return events + b"data: [DONE]\n\n"

    def models(self, names: Iterable[str], unix: float) -> dict[str, Any]:
        """A ``list`` of ``model``."""
        models = [
            {"id": name, "object": "model", "created": int(unix), "owned_by": "simulator"} for name in names
        ]
        return {"object": "list", "data": models}


OPENAI = OpenAiDialect()


def _finish_reason(completion: Completion) -> str:
    return "length" if completion.truncated else "stop"


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _chunk(completion: Completion, delta: dict[str, str], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    body = _envelope(completion, "chat.completion.chunk") | {"choices": [choice]}
    return _event(body | {"usage": None} if completion.usage_in_stream else body)


def _envelope(completion: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{completion.id}",
        "object": kind,
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": _FINGERPRINT,
    }


def _event(body: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"

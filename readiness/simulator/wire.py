"""The OpenAI wire format: what a chat request may hold, and the shapes of replies, chunks and errors.

Parameters that are not named here (``top_p``, ``tools``, ``response_format``) are accepted and ignored.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

MAX_BODY_BYTES = 4_000_000
_FINGERPRINT = "fp_simulated"


class ApiError(Exception):
    """An answer other than success, in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": type_, "param": param, "code": code}}
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The reply to send."""
        return JSONResponse(self.body, status_code=self.status, headers=self.headers)


def _text_parts(content: object) -> object:
    """The texts of a message's content, which is a string, a list of text parts, or nothing."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (content,)
    if not isinstance(content, list):
        raise ValueError("must be a string or a list of parts")
    parts: list[str] = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise ValueError("this model reads text parts only: {'type': 'text', 'text': …}")
        parts.append(part["text"])
    return tuple(parts)


class _Lenient(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Message(_Lenient):
    """One message; ``content`` holds the texts of its parts."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[tuple[str, ...], BeforeValidator(_text_parts)] = ()

    @property
    def text(self) -> str:
        """All parts, as paragraphs."""
        return "\n\n".join(self.content)


class StreamOptions(_Lenient):
    """What a stream carries beside its text."""

    include_usage: bool = False


class ChatRequest(_Lenient):
    """The body of ``POST /v1/chat/completions``."""

    model: str = Field(max_length=200)
    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    seed: int | None = None
    n: Literal[1] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def texts(self) -> list[str]:
        """Every text that counts as input."""
        return [part for message in self.messages for part in message.content]

    @property
    def stated_max_tokens(self) -> int | None:
        """The newer name of the output limit wins over the older one."""
        return self.max_completion_tokens or self.max_tokens


async def read_body(request: Request) -> bytes:
    """The body. Raises ``ApiError`` 413 as soon as it grows beyond ``MAX_BODY_BYTES``."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise ApiError(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
    except ClientDisconnect:
        raise ApiError(400, "The client left before its body was complete.") from None
    return bytes(body)


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


def bad_request(error: ValidationError) -> ApiError:
    """A 400 for the first fault that was found. The value itself is not repeated: it may be anything."""
    fault = error.errors(include_url=False, include_input=False)[0]
    if fault["type"] == "json_invalid":
        return ApiError(400, "We could not parse the JSON body of your request.")
    param = ".".join(str(part) for part in fault["loc"]) or None
    where = f"'{param}'" if param else "the body"
    return ApiError(400, f"Invalid value for {where}: {fault['msg']}.", param=param, code="invalid_value")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one completed request."""

    input_tokens: int
    output_tokens: int

    def to_wire(self) -> dict[str, int]:
        """OpenAI's names."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
        }


@dataclass(frozen=True, slots=True)
class Completion:
    """One finished answer, ready to be sent whole or as a stream."""

    id: str
    created: int
    model: str
    text: str
    truncated: bool
    usage: Usage

    @property
    def _finish_reason(self) -> str:
        return "length" if self.truncated else "stop"

    def to_wire(self) -> dict[str, Any]:
        """The body of a reply that is not streamed."""
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason}
        return self._envelope("chat.completion") | {"choices": [choice], "usage": self.usage.to_wire()}

    def opening(self, include_usage: bool) -> bytes:
        """The first event of a stream: the role."""
        return self._chunk({"role": "assistant", "content": ""}, None, include_usage)

    def piece(self, text: str, include_usage: bool) -> bytes:
        """The event that carries one piece of the text."""
        return self._chunk({"content": text}, None, include_usage)

    def closing(self, include_usage: bool) -> bytes:
        """The last events: why it ended, the usage where it was asked for, and the end mark."""
        events = self._chunk({}, self._finish_reason, include_usage)
        if include_usage:
            body = self._envelope("chat.completion.chunk") | {"choices": [], "usage": self.usage.to_wire()}
            events += _event(body)
        return events + b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, str], finish_reason: str | None, include_usage: bool) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        body = self._envelope("chat.completion.chunk") | {"choices": [choice]}
        return _event(body | {"usage": None} if include_usage else body)

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": _FINGERPRINT,
        }


def _event(body: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"

"""What both wires share: requests and answers as the service knows them, errors, the duty of a dialect."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from readiness.simulator.quota import Reading

MAX_BODY_BYTES = 4_000_000


class ApiError(Exception):
    """An answer other than success, in OpenAI's words; a dialect gives it its shape."""

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
        self.message = message
        self.type = type_
        self.code = code
        self.param = param
        self.headers = dict(headers or {})


def _text_parts(content: object) -> object:
    """The texts of a message's content, which is a string, a list of text parts, or nothing."""
    if content is None:
        return ()
    if isinstance(content, tuple):  # of a message that another dialect has read
        return content
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


class Lenient(BaseModel):
    """Part of a request: what it does not name is ignored, what it names must have the right type."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Message(Lenient):
    """One message; ``content`` holds the texts of its parts."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[tuple[str, ...], BeforeValidator(_text_parts)] = ()

    @property
    def text(self) -> str:
        """All parts, as paragraphs."""
        return "\n\n".join(self.content)


class StreamOptions(Lenient):
    """What a stream carries beside its text."""

    include_usage: bool = False


class ChatRequest(Lenient):
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


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one completed request. The input is all of it, however much of it was cached."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_written_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """One finished answer, ready to be sent whole or as a stream."""

    id: str
    created: int
    model: str
    text: str
    truncated: bool
    usage: Usage
    usage_in_stream: bool
    """True where an OpenAI stream is to end with its usage."""


class Dialect(Protocol):
    """How one provider's wire says things."""

    key_header: str | None
    """The header that may carry the key beside ``Authorization: Bearer``."""

    def read(self, body: bytes) -> tuple[ChatRequest, tuple[str, ...]]:
        """The request of a body, and its opening texts that are to be cached. Raises ``ApiError`` 400."""

    def limit_headers(self, readings: Iterable[Reading], unix: float) -> dict[str, str]:
        """Headers that tell how the limits stood at this Unix time."""

    def retry_headers(self, seconds: float) -> dict[str, str]:
        """Headers that tell how long to wait: whole seconds are rounded up."""

    def failure(self, error: ApiError) -> Response:
        """The reply to send instead of an answer."""

    def whole(self, completion: Completion) -> dict[str, Any]:
        """The body of a reply that is not streamed."""

    def opening(self, completion: Completion) -> bytes:
        """What a stream begins with."""

    def piece(self, completion: Completion, text: str) -> bytes:
        """The event that carries one piece of the text."""

    def closing(self, completion: Completion) -> bytes:
        """What a stream ends with."""

    def models(self, names: Iterable[str], unix: float) -> dict[str, Any]:
        """The list of models."""


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


def bad_request(error: ValidationError) -> ApiError:
    """A 400 for the first fault that was found. The value itself is not repeated: it may be anything."""
    fault = error.errors(include_url=False, include_input=False)[0]
    if fault["type"] == "json_invalid":
        return ApiError(400, "We could not parse the JSON body of your request.")
    param = ".".join(str(part) for part in fault["loc"]) or None
    where = f"'{param}'" if param else "the body"
    return ApiError(400, f"Invalid value for {where}: {fault['msg']}.", param=param, code="invalid_value")


def format_duration(seconds: float) -> str:
    """The way OpenAI writes how long a limit takes to reset: ``17ms``, ``1.5s``, ``6m0s``, ``1h0m3s``.

    Rounded up to a millisecond, so that waiting as told is enough.
    """
    milliseconds = math.ceil(round(seconds * 1000, 6))
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    rest = f"{milliseconds / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{rest}"
    return f"{minutes}m{rest}" if minutes else rest

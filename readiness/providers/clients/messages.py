"""Answers of Anthropic's Messages API, whole or as the events of a stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from readiness.providers.base import Usage
from readiness.providers.clients.answers import (
    FINISH_REASON_LIMIT,
    MODEL_LIMIT,
    Answer,
    count,
    text_of,
    word,
)

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_INPUT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""Three parts of the prompt that do not overlap."""


@dataclass
class MessageAnswer(Answer):
    """One message. Thinking, signatures and tool input are no part of its text."""

    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, document: object) -> None:
        if not isinstance(document, dict):
            return
        match document.get("type"):
            case "message":
                self._add_message(document)
                self._end(document, document.get("usage"))
            case "message_start":
                self._add_message(document.get("message"))
            case "content_block_delta":
                self._add_text(document.get("delta"))
            case "message_delta":
                self._end(document.get("delta"), document.get("usage"))
            case "message_stop":
                self.done = True

    def _add_message(self, message: object) -> None:
        """A whole message, or the start of a streamed one, which has no content yet."""
        if not isinstance(message, dict) or not isinstance(message.get("content"), list):
            return
        self.begun = True
        self.model = word(message.get("model"), MODEL_LIMIT)
        self._note(message.get("usage"), _INPUT_COUNTS)  # the output is not known before the end
        if text := text_of(message["content"]):
            self.parts.append(text)

    def _add_text(self, delta: object) -> None:
        if (
            isinstance(delta, dict)
            and delta.get("type") == "text_delta"
            and isinstance(delta.get("text"), str)
        ):
            self.parts.append(delta["text"])

    def _end(self, ending: object, usage: object) -> None:
        if isinstance(ending, dict):
            reason = word(ending.get("stop_reason"), FINISH_REASON_LIMIT)
            self.finish_reason = _FINISH_REASONS.get(reason, reason) or self.finish_reason
        self._note(usage, (*_INPUT_COUNTS, "output_tokens"))
        self.reported = _usage(self._counts)

    def _note(self, usage: object, names: tuple[str, ...]) -> None:
        """Counts in later events are totals so far, not additions."""
        if isinstance(usage, dict):
            counts = {name: count(usage.get(name)) for name in names}
            self._counts |= {name: value for name, value in counts.items() if value is not None}


def _usage(counts: Mapping[str, int]) -> Usage | None:
    """Our input tokens include the cached ones, which the wire counts apart. None where counts are absent."""
    input_tokens = sum(counts.get(name, 0) for name in _INPUT_COUNTS)
    if not input_tokens or "output_tokens" not in counts:
        return None
    return Usage(
        input_tokens=input_tokens,
        output_tokens=counts["output_tokens"],
        cached_input_tokens=counts.get("cache_read_input_tokens", 0),
    )

"""Chat completions as OpenAI-compatible servers send them, whole or in chunks."""

from readiness.providers.base import Usage
from readiness.providers.clients.answers import (
    FINISH_REASON_LIMIT,
    MODEL_LIMIT,
    Answer,
    count,
    text_of,
    word,
)


class Completion(Answer):
    """One completion; only the first choice, since we never ask for more."""

    def add(self, document: object) -> None:
        if not isinstance(document, dict):
            return
        self.model = word(document.get("model"), MODEL_LIMIT) or self.model
        self.reported = _usage(document.get("usage")) or self.reported
        choices = document.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            self.begun = True
            self._add_choice(choices[0])

    def _add_choice(self, choice: dict[str, object]) -> None:
        self.finish_reason = word(choice.get("finish_reason"), FINISH_REASON_LIMIT) or self.finish_reason
        message = choice.get("message") or choice.get("delta")
        if isinstance(message, dict):
            text = text_of(message.get("content")) or text_of(message.get("refusal"))
            if text:
                self.parts.append(text)


def _usage(value: object) -> Usage | None:
    """None for an absent or an implausible count: a prompt is never empty, so 0 input tokens is no count."""
    if not isinstance(value, dict):
        return None
    input_tokens = count(value.get("prompt_tokens"))
    output_tokens = count(value.get("completion_tokens"))
    if not input_tokens or output_tokens is None:
        return None
    details = value.get("prompt_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=min(cached or 0, input_tokens),
    )

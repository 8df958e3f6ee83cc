"""Chat completions as OpenAI-compatible servers send them, whole or in chunks."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from readiness.lib.tokens import estimate_tokens
from readiness.providers.base import Usage

_MODEL_LIMIT = 200
_FINISH_REASON_LIMIT = 30
_TOKENS_LIMIT = 1_000_000_000


def clean_text(text: str) -> str:
    """Text that every database can store: no NUL, no half of a surrogate pair without the other half."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "�")


@dataclass
class Answer:
    """What has been received of one completion; only the first choice, since we never ask for more."""

    parts: list[str] = field(default_factory=list)
    model: str = ""
    finish_reason: str = ""
    reported: Usage | None = None
    has_choice: bool = False
    done: bool = False
    """The stream said that nothing more follows."""

    @property
    def text(self) -> str:
        return clean_text("".join(self.parts))

    @property
    def is_complete(self) -> bool:
        """A stream without ``[DONE]`` is complete when the model gave its reason to stop."""
        return self.has_choice and (self.done or bool(self.finish_reason))

    def add(self, document: object) -> None:
        """Takes in a whole completion, or one chunk of a streamed one. Ignores what it does not know."""
        if not isinstance(document, dict):
            return
        self.model = _word(document.get("model"), _MODEL_LIMIT) or self.model
        self.reported = _usage(document.get("usage")) or self.reported
        choices = document.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            self.has_choice = True
            self._add_choice(choices[0])

    def _add_choice(self, choice: dict[str, object]) -> None:
        self.finish_reason = _word(choice.get("finish_reason"), _FINISH_REASON_LIMIT) or self.finish_reason
        message = choice.get("message") or choice.get("delta")
        if isinstance(message, dict):
            text = _content(message.get("content")) or _content(message.get("refusal"))
            if text:
                self.parts.append(text)

    def usage(self, prompt: Iterable[str]) -> Usage:
        """Tokens as reported, or estimated from characters where the server sent no usage."""
        return self.reported or Usage(
            input_tokens=estimate_tokens(prompt),
            output_tokens=estimate_tokens([self.text]),
            estimated=True,
        )


def _content(content: object) -> str:
    """The text of a message's content, which is a string or, at Mistral, a list of typed parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def _word(value: object, limit: int) -> str:
    return clean_text(value)[:limit] if isinstance(value, str) else ""


def _usage(value: object) -> Usage | None:
    """None for an absent or an implausible count: a prompt is never empty, so 0 input tokens is no count."""
    if not isinstance(value, dict):
        return None
    input_tokens = _count(value.get("prompt_tokens"))
    output_tokens = _count(value.get("completion_tokens"))
    if not input_tokens or output_tokens is None:
        return None
    details = value.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=min(cached or 0, input_tokens),
    )


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _TOKENS_LIMIT
    return value if is_count and isinstance(value, int) else None

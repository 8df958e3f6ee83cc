"""What has been received of one answer, whatever the wire format that carries it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field

from readiness.lib.tokens import estimate_tokens
from readiness.providers.base import Usage

MODEL_LIMIT = 200
FINISH_REASON_LIMIT = 30
_TOKENS_LIMIT = 1_000_000_000


@dataclass
class Answer(ABC):
    """The parts of one answer as they arrive; each wire format has its own reading of a document."""

    parts: list[str] = field(default_factory=list)
    model: str = ""
    finish_reason: str = ""
    """In OpenAI's words, such as ``stop`` and ``length``, where the format's own mean the same."""
    reported: Usage | None = None
    begun: bool = False
    """Something of an answer has been seen, and not just any JSON."""
    done: bool = False
    """The stream said that nothing more follows."""

    @abstractmethod
    def add(self, document: object) -> None:
        """Takes in a whole answer, or one event of a streamed one. Ignores what it does not know."""

    @property
    def text(self) -> str:
        return clean_text("".join(self.parts))

    @property
    def is_complete(self) -> bool:
        """A stream without its end marker is complete when the model gave its reason to stop."""
        return self.begun and (self.done or bool(self.finish_reason))

    def usage(self, prompt: Iterable[str]) -> Usage:
        """Tokens as reported, or estimated from characters where the server sent no usage."""
        return self.reported or Usage(
            input_tokens=estimate_tokens(prompt),
            output_tokens=estimate_tokens([self.text]),
            estimated=True,
        )


def clean_text(text: str) -> str:
    """Text that every database can store: no NUL, no half of a surrogate pair without the other half."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "�")


def text_of(content: object) -> str:
    """The text of a message's content, which is a string or a list of typed parts (Anthropic, Mistral)."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def word(value: object, limit: int) -> str:
    """A short text, cut; empty for anything that is none."""
    return clean_text(value)[:limit] if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """A plausible number of tokens; None for anything else."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _TOKENS_LIMIT
    return value if is_count and isinstance(value, int) else None

"""From a prompt version and one example to the messages that are sent."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from readiness.providers.base import Message

VARIABLES = frozenset({"question", "source"})
"""What a prompt may use; both come from the example."""


class PromptError(Exception):
    """A prompt's text cannot be rendered; the message says where and why in plain words."""


class PromptText(Protocol):
    """The two texts of a prompt version; also what a form holds before it is saved."""

    system: str
    user: str


# Sandboxed because members write these texts; no autoescape because the reader is a model, not a browser.
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def check(text: str) -> None:
    """Raises ``PromptError`` when the text is not valid or names an unknown variable."""
    try:
        used = meta.find_undeclared_variables(_ENVIRONMENT.parse(text))
    except TemplateError as error:
        raise PromptError(f"Line {getattr(error, 'lineno', None) or 1}: {error.message}") from error
    if unknown := sorted(used - VARIABLES):
        raise PromptError(
            f"Unknown variable {_listed(unknown)}. A prompt may use {_listed(sorted(VARIABLES))}."
        )


def render(prompt: PromptText, *, question: str, source: str) -> tuple[Message, ...]:
    """The messages for one example: the system text where there is one, then the user text.

    Raises ``PromptError`` when a text cannot be rendered.
    """
    texts = (("system", prompt.system), ("user", prompt.user))
    try:
        return tuple(
            Message(role, _compiled(text).render(question=question, source=source))
            for role, text in texts
            if text.strip()
        )
    except TemplateError as error:
        raise PromptError(error.message or "The prompt cannot be rendered.") from error
    except Exception as error:  # a template is a program that a member wrote: it can raise anything
        raise PromptError(f"The prompt cannot be rendered: {error}") from error


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)

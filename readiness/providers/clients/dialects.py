"""Where OpenAI-compatible servers differ in what they accept, and how a deployment says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from readiness.providers.clients.quota_headers import USUAL_HABITS, HeaderHabits

MAX_TOKENS_PARAMETER = "max_tokens_parameter"
INCLUDE_USAGE = "include_usage"
MAX_TOKENS_NAMES = ("max_tokens", "max_completion_tokens")

OURS = frozenset({"model", "messages", "stream", "stream_options", "n", *MAX_TOKENS_NAMES})
"""Wire parameters that the client sets itself. ``n`` would multiply tokens that nobody reserved."""
SWITCHES = frozenset({MAX_TOKENS_PARAMETER, INCLUDE_USAGE})
"""Parameters of a deployment that are words to the client and never go out."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one server accepts."""

    max_tokens: str = "max_tokens"
    """The name under which it takes the longest answer."""
    include_usage: bool = True
    """Whether it takes ``stream_options``; a server that refuses it sends usage unasked."""
    lists_what_it_serves: bool = True
    """Azure lists base models, but is called by the names of deployments that it does not list."""
    habits: HeaderHabits = USUAL_HABITS
    """What its headers of the rate limit mean."""


# OpenAI's and Azure's newer models refuse max_tokens; Mistral answers 422 to stream_options.
_BY_HOST = {
    "api.openai.com": Dialect(max_tokens="max_completion_tokens"),
    "openai.azure.com": Dialect(
        max_tokens="max_completion_tokens",
        lists_what_it_serves=False,
        habits=HeaderHabits(zero_is_told=False),
    ),
    "api.groq.com": Dialect(habits=HeaderHabits(requests_are_daily=True)),
    "api.mistral.ai": Dialect(include_usage=False),
}


def dialect_of(base_url: str) -> Dialect:
    """The dialect that the host is known for; the older, widely understood one for all others."""
    host = urlsplit(base_url).hostname or ""
    for known, dialect in _BY_HOST.items():
        if host == known or host.endswith(f".{known}"):
            return dialect
    return Dialect()


def wire_parameters(
    dialect: Dialect, parameters: Mapping[str, object], max_tokens: int, *, stream: bool
) -> dict[str, object]:
    """The body's parameters beside model and messages.

    A deployment's own ``max_tokens_parameter`` and ``include_usage`` overrule what the host is known for.
    """
    body = {name: value for name, value in parameters.items() if name not in OURS | SWITCHES}
    name = parameters.get(MAX_TOKENS_PARAMETER)
    body[str(name) if name in MAX_TOKENS_NAMES else dialect.max_tokens] = max_tokens
    if stream:
        body["stream"] = True
        if parameters.get(INCLUDE_USAGE, dialect.include_usage):
            body["stream_options"] = {"include_usage": True}
    return body

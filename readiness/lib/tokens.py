"""Token estimates that are needed before a provider has counted."""

import math
from collections.abc import Iterable

CHARACTERS_PER_TOKEN = 4
"""OpenAI's published rule of thumb for English text; close enough to reserve quota with."""


def estimate_tokens(texts: Iterable[str]) -> int:
    """Tokens in the texts together, estimated from their characters and rounded up."""
    return math.ceil(sum(len(text) for text in texts) / CHARACTERS_PER_TOKEN)


def openai_token_charge(texts: Iterable[str], max_tokens: int) -> int:
    """Tokens that an OpenAI-style rate limit takes for one request at the moment it is admitted.

    The provider documents the charge as the larger of ``max_tokens`` and an estimate from the request's
    characters; it is not given back when the answer turns out shorter.
    """
    return max(max_tokens, estimate_tokens(texts), 1)

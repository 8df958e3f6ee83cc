"""Which openings of prompts a provider still holds: repeated within five minutes, they count as cached."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

LIFETIME_SECONDS = 300.0
MAX_PREFIXES = 10_000


class PromptCache:
    """Prefixes by key and model, forgotten five minutes after their last use, the oldest first when full."""

    def __init__(self) -> None:
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def holds(self, key: str, model: str, prefix: Sequence[str], now: float) -> bool:
        """True when the prefix was kept within the last five minutes; an empty one never is."""
        used_at = self._used.get(_digest(key, model, prefix)) if prefix else None
        return used_at is not None and now - used_at < LIFETIME_SECONDS

    def keep(self, key: str, model: str, prefix: Sequence[str], now: float) -> None:
        """Hold the prefix for five minutes from now."""
        if not prefix:
            return
        digest = _digest(key, model, prefix)
        self._used[digest] = now
        self._used.move_to_end(digest)
        if len(self._used) > MAX_PREFIXES:
            self._used.popitem(last=False)


def _digest(key: str, model: str, prefix: Sequence[str]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for text in (key, model, *prefix):
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8) + raw)
    return digest.digest()

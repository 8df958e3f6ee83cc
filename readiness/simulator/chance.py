"""Every random choice of the service: reproducible from one seed, never a source of secrets."""

import hashlib
from random import Random


def stream(seed: int) -> Random:
    """The choices that differ from request to request (latency, failures, re-asking), in order of arrival."""
    return Random(f"stream:{seed}")  # noqa: S311


def draws(seed: int, model: str, texts: list[str], nonce: int) -> Random:
    """The choices that belong to what was asked: the same question to the same model makes the same ones.

    ``nonce`` 0 stands for the model's settled answer; another value for one more sample of it.
    """
    digest = hashlib.blake2b(f"{seed}\0{model}\0{nonce}".encode(), digest_size=8)
    for text in texts:
        digest.update(b"\0")
        digest.update(text.encode("utf-8", "surrogatepass"))
    return Random(int.from_bytes(digest.digest()))  # noqa: S311

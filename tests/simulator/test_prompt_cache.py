import pytest

from readiness.simulator.prompt_cache import LIFETIME_SECONDS, MAX_PREFIXES, PromptCache


def test_prefix_is_held_until_five_minutes_after_its_last_use() -> None:
    cache = PromptCache()
    cache.keep("k", "m", ("a",), 0)
    cache.keep("k", "m", ("a",), 200)
    assert cache.holds("k", "m", ("a",), 200 + LIFETIME_SECONDS - 1)
    assert not cache.holds("k", "m", ("a",), 200 + LIFETIME_SECONDS)


@pytest.mark.parametrize("other", [("l", "m", ("a", "b")), ("k", "n", ("a", "b")), ("k", "m", ("ab",))])
def test_prefix_belongs_to_its_key_model_and_texts(other: tuple[str, str, tuple[str, ...]]) -> None:
    cache = PromptCache()
    cache.keep("k", "m", ("a", "b"), 0)
    assert not cache.holds(*other, 0)


def test_empty_prefix_is_never_held() -> None:
    cache = PromptCache()
    cache.keep("k", "m", (), 0)
    assert not cache.holds("k", "m", (), 0)


def test_cache_is_bounded() -> None:
    cache = PromptCache()
    for number in range(MAX_PREFIXES + 1):
        cache.keep("k", "m", (str(number),), 0)
    assert not cache.holds("k", "m", ("0",), 0)
    assert cache.holds("k", "m", ("1",), 0)

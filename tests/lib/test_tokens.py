import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.tokens import estimate_tokens, openai_token_charge


@pytest.mark.parametrize(
    ("texts", "tokens"), [([], 0), ([""], 0), (["a"], 1), (["abcd"], 1), (["abcd", "e"], 2)]
)
def test_estimate_is_a_token_for_each_four_characters_rounded_up(texts, tokens) -> None:
    assert estimate_tokens(texts) == tokens


@given(st.lists(st.text(), max_size=8))
def test_estimate_does_not_depend_on_how_the_text_is_split(texts) -> None:
    assert estimate_tokens(texts) == estimate_tokens(["".join(texts)])


@pytest.mark.parametrize(
    ("texts", "max_tokens", "charge"),
    [(["x" * 400], 50, 100), (["x" * 400], 500, 500), ([], 0, 1)],
)
def test_charge_is_the_larger_of_prompt_and_limit_and_at_least_one(texts, max_tokens, charge) -> None:
    assert openai_token_charge(texts, max_tokens) == charge

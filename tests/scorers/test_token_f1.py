import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.scorers import token_f1
from readiness.scorers.base import Sample

texts = st.lists(st.sampled_from(["pump", "filter", "red", "12", "the"]), max_size=8).map(" ".join)


def _f1(answer: str, reference: str) -> float | None:
    return token_f1.score(Sample(question="", answer=answer, reference=reference)).value


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("the cat sat", "cat sat", 1),
        ("cat sat down", "cat sat", 0.8),
        ("cat cat cat", "cat", 0.5),
        ("dog", "cat", 0),
        ("", "cat", 0),
        ("the", "a", 1),
    ],
)
def test_f1_is_that_of_the_shared_words(answer, reference, value) -> None:
    assert _f1(answer, reference) == pytest.approx(value)


@given(texts, texts)
def test_f1_is_symmetric_and_within_zero_and_one(first, second) -> None:
    value = _f1(first, second)
    assert value is not None
    assert 0 <= value <= 1
    assert value == _f1(second, first)

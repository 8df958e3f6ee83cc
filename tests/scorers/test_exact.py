import pytest

from readiness.scorers import exact
from readiness.scorers.base import Sample, Status


@pytest.mark.parametrize(
    ("answer", "reference", "value", "label"),
    [
        ("Paris", "Paris", 1, "match"),
        ("the paris.", "Paris", 1, "match"),
        ("Paris, France", "Paris", 0, "no match"),
        ("3.5", "35", 0, "no match"),
        ("-5", "5", 0, "no match"),
        ("", "Paris", 0, "no match"),
    ],
)
def test_exact_compares_words_and_their_order(answer, reference, value, label) -> None:
    score = exact.score(Sample(question="", answer=answer, reference=reference))
    assert (score.status, score.value, score.label) == (Status.OK, value, label)

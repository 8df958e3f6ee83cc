import pytest

from readiness.scorers import contains
from readiness.scorers.base import Sample, Status


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("It is Paris, of course.", "Paris", 1),
        ("It is the New York office.", "new york", 1),
        ("York is new.", "new york", 0),
        ("Comparison", "Paris", 0),
        ("It takes 40 minutes.", "4", 0),
        ("", "Paris", 0),
    ],
)
def test_contains_looks_for_whole_words_in_order(answer, reference, value) -> None:
    score = contains.score(Sample(question="", answer=answer, reference=reference))
    assert (score.status, score.value) == (Status.OK, value)


def test_contains_abstains_from_a_reference_without_words() -> None:
    score = contains.score(Sample(question="", answer="anything", reference="?!"))
    assert (score.status, score.value) == (Status.ABSTAIN, None)

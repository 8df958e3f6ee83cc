import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.scorers.base import Sample, Score, Status
from readiness.scorers.unsupported_words import score_count, score_share

SOURCE = "The pump holds twelve litres and must be rinsed weekly."


def _sample(answer: str, question: str = "How often?", source: str = SOURCE) -> Sample:
    return Sample(question=question, answer=answer, source=source)


@pytest.mark.parametrize(
    ("answer", "novel", "content"),
    [
        ("The pump must be rinsed weekly.", 0, 3),
        ("Rinsing the pumps is weekly work.", 1, 4),
        ("Polish the chrome handle.", 3, 3),
        ("According to the passage, the pump is rinsed.", 0, 2),
        ("Polish, polish, polish the pump", 3, 4),
    ],
)
def test_words_that_the_source_lacks_are_counted(answer, novel, content) -> None:
    sample = _sample(answer)
    assert score_count(sample).value == novel
    assert score_share(sample).value == pytest.approx(novel / content)


def test_question_counts_as_source() -> None:
    assert score_count(_sample("Chrome", question="Is it chrome?")).value == 0


def test_explanation_lists_the_words_once() -> None:
    explanation = score_share(_sample("Polish and polish the chrome pump")).explanation
    assert explanation == "3 of 4 content words are not in the source: polish, chrome."


def test_long_list_of_words_is_cut_short() -> None:
    answer = "alpha bravo charlie delta echo foxtrot golf hotel india juliet"
    assert score_count(_sample(answer)).explanation.endswith("golf, hotel and 2 more.")


@pytest.mark.parametrize("score", [score_share, score_count])
@pytest.mark.parametrize("answer", ["", "It is so.", "12", "これは水です"])
def test_answer_without_readable_content_abstains(score, answer) -> None:
    result: Score = score(_sample(answer))
    assert (result.status, result.value) == (Status.ABSTAIN, None)


@given(st.lists(st.sampled_from(["pump", "chrome", "the", "polish", "weekly"]), min_size=1).map(" ".join))
def test_share_is_the_count_over_the_content(answer) -> None:
    share, count = score_share(_sample(answer)), score_count(_sample(answer))
    if share.status is Status.OK:
        assert share.value is not None
        assert count.value is not None
        assert 0 <= share.value <= 1
        assert (share.value == 0) == (count.value == 0)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.scorers import unsupported_details
from readiness.scorers.base import Sample, Score, Status

SOURCE = (
    "passage 1: The Brookline pump holds 12 litres and runs for 45 minutes.\n"
    "passage 2: It was made by Orvane in 1998. The filter is not dishwasher safe."
)


def _score(answer: str, question: str = "How long does it run?", source: str = SOURCE) -> Score:
    return unsupported_details.score(Sample(question=question, answer=answer, source=source))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It runs for 45 minutes (passage 1).", []),
        ("It runs for 50 minutes.", [("number", "50 minutes")]),
        ("It runs for 45 hours.", [("number", "45 hours")]),
        ("It runs for two hours.", [("number", "two hours")]),
        ("It was sold on 3 May.", [("date", "3 May")]),
        ("The maker is Marlow.", [("name", "Marlow")]),
        ("The filter is dishwasher safe.", [("negation", "The filter is dishwasher safe.")]),
        (
            "1. It holds 12 litres.\n2. It holds 13 litres by Marlow.",
            [("number", "13 litres"), ("name", "Marlow")],
        ),
    ],
)
def test_details_that_the_source_lacks_are_marked_in_the_answer(answer, expected) -> None:
    score = _score(answer)
    assert [(span.kind, span.text) for span in score.spans] == expected
    assert all(answer[span.start : span.end] == span.text for span in score.spans)
    assert (score.status, score.value) == (Status.OK, len(expected))


def test_label_says_whether_anything_was_marked() -> None:
    assert _score("It runs for 45 minutes.").label == "clear"
    assert _score("It runs for 46 minutes.").label == "flagged"


def test_question_counts_as_source() -> None:
    assert _score("It is the Castelmere 700.", question="What is the Castelmere 700?").value == 0
    assert _score("It is the Castelmere 700.").value == 2


def test_one_detail_is_marked_once_though_two_checks_find_it() -> None:
    assert [span.text for span in _score("It was made by Marlow in 1998.").spans] == ["Marlow"]


def test_explanation_lists_what_was_marked() -> None:
    assert _score("It ran for 9, 8, 9 and 7 days.").explanation == "Not so in the source: 9, 8, 7 days."


def test_long_list_of_details_is_cut_short() -> None:
    explanation = _score(" and ".join(str(number) for number in range(100, 120))).explanation
    assert explanation.endswith("106, 107 and 12 more.")


@pytest.mark.parametrize("answer", ["", "  \n", "Насос работает 50 минут."])
def test_answer_that_cannot_be_read_abstains(answer) -> None:
    score = _score(answer)
    assert (score.status, score.value) == (Status.ABSTAIN, None)


@pytest.mark.parametrize("sentence", SOURCE.replace("passage 1: ", "").replace("passage 2: ", "").split(". "))
def test_sentence_of_the_source_is_clear(sentence) -> None:
    assert _score(sentence).spans == ()


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_scored_with_marks_inside_it(answer, source) -> None:
    score = _score(answer, source=source)
    starts = [span.start for span in score.spans]
    assert starts == sorted(starts)
    assert all(span.text == answer[span.start : span.end] != "" for span in score.spans)

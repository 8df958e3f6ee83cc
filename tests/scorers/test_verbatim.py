import pytest

from readiness.scorers.verbatim import Verbatim


def _alterations(source: str, answer: str) -> list[tuple[str, str]]:
    return [(answer[start:end], kind) for start, end, kind in Verbatim(source).alterations(answer)]


@pytest.mark.parametrize(
    ("source", "answer", "expected"),
    [
        ("The pump is safe to rinse.", "The pump is safe to rinse.", []),
        ("The pump is safe to rinse.", "The pump is not safe to rinse.", [("not", "negation")]),
        ("The pump isn't safe to rinse.", "The pump is not safe to rinse.", []),
        (
            "You cannot rinse the pump here.",
            "You can rinse the pump here.",
            [("You can rinse the pump here.", "negation")],
        ),
        ("Do not rinse red pumps here.", "Rinse red pumps here.", [("Rinse red pumps here.", "negation")]),
        ("It won't hold more water.", "It will hold more water.", [("It will hold more water.", "negation")]),
        ("Fill 12 litres, then wait 5 minutes.", "Fill 5 litres, then wait 5 minutes.", [("5", "number")]),
        ("Wait for two days before use.", "Wait for three days before use.", [("three", "number")]),
        ("The valve by Orvane fits best.", "The valve by Marlow fits best.", [("Marlow", "name")]),
        (
            "Note: the pump is safe now.",
            "The source says: the pump is never safe now.",
            [("never", "negation")],
        ),
    ],
)
def test_altered_sentence_is_told_from_the_one_it_was_taken_from(source, answer, expected) -> None:
    assert _alterations(source, answer) == expected


def test_sentence_that_the_source_has_in_both_forms_is_not_altered() -> None:
    source = "The pump is safe to rinse. The pump is not safe to rinse."
    assert _alterations(source, "The pump is not safe to rinse.") == []


def test_closest_of_several_originals_counts() -> None:
    source = "Tank A1 holds 30 litres of water. Tank A2 holds 50 litres of water."
    assert _alterations(source, "Tank A2 holds 30 litres of water.") in (
        [("A2", "number")],
        [("30", "number")],
    )


def test_short_sentences_are_not_compared() -> None:
    assert _alterations("It is safe.", "It is not safe.") == []


def test_paraphrase_is_not_compared() -> None:
    assert _alterations("The pump is safe to rinse.", "Rinsing the pump is not dangerous.") == []


def test_marks_leave_out_the_punctuation_around_a_word() -> None:
    answer = "Store the filter with Marlow, not here."
    assert _alterations("Store the filter with Orvane, not here.", answer) == [("Marlow", "name")]

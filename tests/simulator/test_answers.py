import pytest

from readiness.simulator.answers import ABSTENTION, NO_SOURCE, Answer, answer
from readiness.simulator.chance import draws
from readiness.simulator.language import sentences
from readiness.simulator.reading import Task
from tests.simulator.builders import SOURCE


def answered(question: str, passage: str = SOURCE, *, rate: float = 0.0, seed: int = 0) -> Answer:
    return answer(Task(question, passage), draws(seed, "m", [question, passage], 0), rate)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How long does the warranty last?", "Its warranty lasts 24 months."),
        ("Whom do I ask for a repair?", "Ask Maria Lund for a repair."),
        ("May it be used outdoors?", "The dock must not be used outdoors."),
    ],
)
def test_answer_is_the_sentence_that_fits(question: str, expected: str) -> None:
    assert answered(question).text.endswith(expected)


def test_answer_says_two_sentences_when_each_holds_part() -> None:
    text = answered("How much does the Kestrel weigh, and how many months of warranty?").text
    assert "2 kg" in text
    assert "24 months" in text


def test_answer_abstains_when_the_passage_is_about_something_else() -> None:
    assert answered("Which planets have rings?").text == ABSTENTION


def test_answer_without_a_passage_says_so() -> None:
    assert answered("How heavy?", " ", rate=1).text == NO_SOURCE


def test_faithful_answers_are_parts_of_the_passage() -> None:
    for seed in range(50):
        text = answered("How long does the warranty last?", seed=seed).text
        assert any(text.endswith(sentence) for sentence in sentences(SOURCE))


def test_lead_in_comes_sometimes() -> None:
    texts = {answered("How long does the warranty last?", seed=seed).text for seed in range(50)}
    assert {text.partition(":")[0] for text in texts if ":" in text} == {
        "According to the source",
        "The source says",
    }


def test_hallucinating_answer_never_abstains() -> None:
    assert answered("Which planets have rings?", rate=1).alteration is not None


def test_alteration_says_where_it_ends_in_the_answer() -> None:
    for seed in range(50):
        found = answered("How long does the warranty last?", rate=1, seed=seed)
        change = found.alteration
        assert change is not None
        assert found.text[: change.end].endswith(change.after)


def test_passage_labels_are_not_said() -> None:
    assert answered("How heavy is it?", "passage 3:It is 2 kg heavy.").text.endswith("It is 2 kg heavy.")
    assert "passage" not in answered("How heavy is it?", "passage 3:It is 2 kg heavy.").text


@pytest.mark.parametrize("rate", [0.03, 0.2, 0.7])
def test_hallucination_comes_at_the_rate_of_the_profile(rate: float) -> None:
    count = 3_000
    found = sum(
        answered(
            f"What is the limit of tray {number}?",
            f"The limit of tray {number} is {number + 7} sheets.",
            rate=rate,
        ).alteration
        is not None
        for number in range(count)
    )
    # Four standard deviations of a binomial count; the seeded draws make the figure the same every time.
    assert abs(found - rate * count) < 4 * (rate * (1 - rate) * count) ** 0.5

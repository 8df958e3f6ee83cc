import json

import pytest

from readiness.simulator.answers import ABSTENTION, answer
from readiness.simulator.chance import draws
from readiness.simulator.judge import Verdict, examine, judge
from readiness.simulator.reading import JudgingTask, Task
from tests.simulator.builders import SOURCE


def examined(said: str, source: str = SOURCE, question: str = "What of the dock?") -> Verdict:
    return examine(JudgingTask(question, source, said))


@pytest.mark.parametrize(
    "said",
    [
        "Its warranty lasts 24 months.",
        "According to the source: Its warranty lasts 24 months.",
        "The Kestrel dock weighs 2 kg. It must not be used outdoors.",
        "The Kestrel dock weighs two kg.",
        ABSTENTION,
        "The passage doesn't mention a price.",
    ],
)
def test_judge_supports_what_the_source_says(said: str) -> None:
    assert examined(said) == Verdict(True, (), "The source supports every statement of the answer.")


@pytest.mark.parametrize(
    ("said", "span"),
    [
        ("Its warranty lasts 36 months.", "36"),
        ("Its warranty lasts three months.", "three"),
        ("Ask Maria Quillon for a repair.", "Maria Quillon"),
        ("The dock must be used outdoors.", "The dock must be used outdoors."),
        ("Its warranty does not last 24 months.", "Its warranty does not last 24 months."),
        ("Penguins happily swim across warm oceans.", "Penguins happily swim across warm oceans."),
    ],
)
def test_judge_quotes_what_the_source_does_not_support(said: str, span: str) -> None:
    verdict = examined(said)
    assert not verdict.supported
    assert verdict.spans == (span,)


def test_judge_finds_the_one_wrong_statement_among_right_ones() -> None:
    verdict = examined("Its warranty lasts 24 months. The Kestrel dock weighs 3 kg.")
    assert verdict.spans == ("3",)


def test_judge_lets_the_answer_repeat_names_of_the_question() -> None:
    assert examined("For Ingrid the warranty lasts 24 months.", question="How long for Ingrid?").supported


def test_judge_calls_nothing_a_contradiction_that_the_source_says_both_ways() -> None:
    assert examined("It is safe indoors.", "It is safe indoors. It is not safe indoors when wet.").supported


def test_judge_does_not_support_an_empty_answer() -> None:
    assert not examined("").supported


def test_verdict_is_bounded_json() -> None:
    said = " ".join(f"Penguins {'very ' * 80}number {number} swim warm oceans." for number in range(100, 120))
    found = json.loads(examined(said).to_json())
    assert found["verdict"] == "unsupported"
    assert len(found["spans"]) == 4
    assert all(len(span) <= 160 and span in said for span in found["spans"])


def test_judge_turns_verdicts_at_its_error_rate() -> None:
    task = JudgingTask("How long?", SOURCE, "Its warranty lasts 24 months.")
    verdicts = [judge(task, draws(seed, "m", [], 0), 0.1) for seed in range(2_000)]
    turned = [verdict for verdict in verdicts if verdict.turned]
    assert 150 < len(turned) < 250
    assert all(not verdict.supported and verdict.spans == (task.answer,) for verdict in turned)
    assert all(verdict.supported for verdict in verdicts if not verdict.turned)


def test_turned_verdict_supports_what_is_wrong() -> None:
    verdict = judge(JudgingTask("", SOURCE, "It weighs 9 kg."), draws(0, "m", [], 0), 1.0)
    assert verdict.supported
    assert verdict.spans == ()


def test_judge_turns_the_verdict_on_an_answer_without_a_sentence() -> None:
    assert judge(JudgingTask("", SOURCE, ""), draws(0, "m", [], 0), 1.0).supported


def test_judge_finds_nearly_every_alteration_and_nothing_in_faithful_answers() -> None:
    found = {True: 0, False: 0}
    for number in range(300):
        passage = (
            f"Tray {number} of Maria Lund holds {number + 7} sheets. It is made in Oslo. It is not heavy."
        )
        question = f"How many sheets does tray {number} hold?"
        for hallucinates in (True, False):
            said = answer(Task(question, passage), draws(0, "m", [question], 0), float(hallucinates))
            found[hallucinates] += not examine(JudgingTask(question, passage, said.text)).supported
    assert found[True] > 290
    assert found[False] == 0

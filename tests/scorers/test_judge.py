import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.scorers import judge
from readiness.scorers.base import Sample, Status

ANSWER = "The pump runs for 50 minutes. It was made by Orvane."


def _reply(verdict: str = "unsupported", spans: object = (), reason: object = "Why.") -> str:
    return json.dumps({"verdict": verdict, "spans": spans, "reason": reason})


def test_supported_answer_scores_one() -> None:
    score = judge.read_verdict(_reply("supported"), ANSWER)
    assert (score.status, score.value, score.label, score.spans) == (Status.OK, 1, "supported", ())
    assert score.explanation == "Why."


def test_unsupported_answer_scores_zero_with_its_quotes_marked() -> None:
    score = judge.read_verdict(_reply(spans=["made by Orvane", "50 minutes"]), ANSWER)
    assert (score.status, score.value, score.label) == (Status.OK, 0, "unsupported")
    assert [(span.start, span.text) for span in score.spans] == [(18, "50 minutes"), (37, "made by Orvane")]


@pytest.mark.parametrize("quote", ["MADE BY orvane", "made\nby  Orvane", " made by Orvane "])
def test_quote_is_found_whatever_its_case_and_blanks(quote) -> None:
    (span,) = judge.read_verdict(_reply(spans=[quote]), ANSWER).spans
    assert ANSWER[span.start : span.end].strip() == span.text.strip() == "made by Orvane"


def test_quote_that_the_answer_lacks_is_said_and_not_marked() -> None:
    score = judge.read_verdict(_reply(spans=["made by Marlow", ""]), ANSWER)
    assert (score.value, score.spans) == (0, ())
    assert "2 of its 2 quotes are not in the answer" in score.explanation


def test_fenced_verdict_is_read() -> None:
    assert judge.read_verdict(f"```json\n{_reply('supported')}\n```", ANSWER).value == 1


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "supported",
        "I think it is supported.",
        f"Here you are: {_reply('supported')}",
        _reply("Supported"),
        _reply("maybe"),
        _reply("unsupported", spans="50 minutes"),
        _reply("unsupported", spans=[50]),
        _reply("unsupported", reason=None),
        json.dumps({"verdict": "supported"}),
        json.dumps(["supported"]),
        '{"verdict": "supported", "spans": [], "reason": "cut off',
    ],
)
def test_reply_that_is_no_verdict_abstains(reply) -> None:
    score = judge.read_verdict(reply, ANSWER)
    assert (score.status, score.value) == (Status.ABSTAIN, None)


def test_verdict_that_contradicts_itself_abstains() -> None:
    score = judge.read_verdict(_reply("supported", spans=["50 minutes"]), ANSWER)
    assert (score.status, score.value) == (Status.ABSTAIN, None)


@given(st.text(max_size=80))
def test_any_reply_gives_a_score(reply) -> None:
    assert judge.read_verdict(reply, ANSWER).status in {Status.OK, Status.ABSTAIN}


async def test_judge_is_asked_with_the_sample_in_its_places() -> None:
    asked = []

    async def complete(system: str, user: str) -> str:
        asked.append((system, user))
        return _reply("supported")

    sample = Sample(question="Is {answer} here?", answer="A {source} brace", source="S {question}")
    score = await judge.score(
        sample,
        complete,
        system="Check {answer}.",
        template="Question: {question}\nSource: {source}\nAnswer: {answer}",
    )
    assert score.value == 1
    assert asked == [
        ("Check {answer}.", "Question: Is {answer} here?\nSource: S {question}\nAnswer: A {source} brace")
    ]


@pytest.mark.parametrize("source", [None, "", "  "])
async def test_judge_is_not_asked_about_an_answer_without_source(source) -> None:
    async def complete(_system: str, _user: str) -> str:
        pytest.fail("asked")

    score = await judge.score(
        Sample(question="q", answer="a", source=source), complete, system="", template=""
    )
    assert (score.status, score.value) == (Status.ABSTAIN, None)


async def test_failed_call_is_no_verdict() -> None:
    async def complete(_system: str, _user: str) -> str:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await judge.score(Sample(question="q", answer="a", source="s"), complete, system="", template="")

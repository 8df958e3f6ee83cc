"""Reading chat completions, whole and in chunks."""

import pytest

from readiness.providers.base import Usage
from readiness.providers.clients.completions import Completion


def chunk(text: str | None = None, **fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **fields}


def test_answer_joins_the_deltas_of_a_stream() -> None:
    answer = Completion()
    for text in ("", "Two ", None, "years."):
        answer.add(chunk(text, model="gpt-4o-mini-2024-07-18"))
    assert (answer.text, answer.model) == ("Two years.", "gpt-4o-mini-2024-07-18")


def test_answer_takes_a_refusal_for_the_text() -> None:
    answer = Completion()
    answer.add({"choices": [{"message": {"content": None, "refusal": "I cannot help."}}]})
    assert answer.text == "I cannot help."


def test_answer_takes_the_text_parts_of_a_list() -> None:
    answer = Completion()
    parts = [
        {"type": "thinking", "thinking": []},
        {"type": "text", "text": "Yes"},
        {"type": "text", "text": "."},
    ]
    answer.add({"choices": [{"message": {"content": parts}}]})
    assert answer.text == "Yes."


@pytest.mark.parametrize(
    "document", [None, 3, [], "x", {}, {"choices": None}, {"choices": ["x"]}, {"choices": []}]
)
def test_answer_sees_no_choice_in_what_is_none(document: object) -> None:
    answer = Completion()
    answer.add(document)
    assert not answer.begun


def test_usage_counts_cached_tokens_as_part_of_the_input() -> None:
    answer = Completion()
    usage = {"prompt_tokens": 90, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 64}}
    answer.add(chunk("x", usage=usage))
    assert answer.usage(["?"]) == Usage(input_tokens=90, output_tokens=7, cached_input_tokens=64)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"total_tokens": 12},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": "12", "completion_tokens": 2},
        {"prompt_tokens": True, "completion_tokens": 2},
    ],
)
def test_usage_is_estimated_and_says_so_when_the_server_gave_none(usage: object) -> None:
    answer = Completion()
    answer.add(chunk("eight ch", usage=usage))
    assert answer.usage(["twelve chars"]) == Usage(input_tokens=3, output_tokens=2, estimated=True)

"""Reading answers of the Messages API, whole and as events."""

import pytest

from readiness.providers.base import Usage
from readiness.providers.clients.messages import MessageAnswer

START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "claude-sonnet-4-5-20250929",
        "stop_reason": None,
        "usage": {"input_tokens": 25, "output_tokens": 1},
    },
}
STOP = {"type": "message_stop"}


def text_delta(text: object, kind: str = "text_delta") -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, "text": text}}


def message_delta(stop_reason: str = "end_turn", **usage: object) -> dict[str, object]:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": usage}


def message(**fields: object) -> dict[str, object]:
    whole = {"type": "message", "model": "m", "content": [{"type": "text", "text": "Yes."}]}
    return whole | {"stop_reason": "end_turn", "usage": {"input_tokens": 9, "output_tokens": 2}} | fields


def read(*documents: object) -> MessageAnswer:
    answer = MessageAnswer()
    for document in documents:
        answer.add(document)
    return answer


def test_answer_joins_the_text_of_a_stream() -> None:
    answer = read(
        START,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        text_delta("Two "),
        text_delta("years."),
        {"type": "content_block_stop", "index": 0},
        message_delta(output_tokens=3),
    )
    assert (answer.text, answer.model, answer.done) == ("Two years.", "claude-sonnet-4-5-20250929", False)
    answer.add(STOP)
    assert answer.done
    assert answer.usage([]) == Usage(input_tokens=25, output_tokens=3)


@pytest.mark.parametrize("kind", ["thinking_delta", "signature_delta", "input_json_delta"])
def test_answer_leaves_out_what_is_no_text(kind: str) -> None:
    assert read(START, text_delta("secret", kind), text_delta("Yes.")).text == "Yes."


def test_whole_message_is_read_without_its_thinking() -> None:
    parts = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}]
    answer = read(message(content=parts))
    assert (answer.text, answer.finish_reason, answer.begun) == ("Yes.", "stop", True)


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_stop_reason_is_told_in_the_words_of_all_providers(stop_reason: str, finish_reason: str) -> None:
    assert read(START, message_delta(stop_reason)).finish_reason == finish_reason


def test_cached_and_written_tokens_are_parts_of_the_input() -> None:
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 2000,
        "output_tokens": 7,
    }
    told = read(message(usage=usage)).usage([])
    assert told == Usage(input_tokens=2110, cached_input_tokens=2000, output_tokens=7)


def test_counts_of_later_events_replace_those_of_the_first() -> None:
    answer = read(START, message_delta(output_tokens=5), message_delta(input_tokens=30, output_tokens=9))
    assert answer.usage([]) == Usage(input_tokens=30, output_tokens=9)


@pytest.mark.parametrize(
    "usage",
    [None, {}, {"input_tokens": 9}, {"output_tokens": 2}, {"input_tokens": "9", "output_tokens": 2}],
)
def test_usage_is_estimated_where_counts_are_missing(usage: object) -> None:
    told = read(message(usage=usage)).usage(["twelve chars"])
    assert told == Usage(input_tokens=3, output_tokens=1, estimated=True)


def test_output_count_of_the_start_is_not_taken_for_the_answers() -> None:
    assert read(START, text_delta("Yes."), message_delta()).usage(["?"]).estimated


@pytest.mark.parametrize(
    "document",
    [
        None,
        3,
        [],
        {},
        {"type": "ping"},
        {"type": "message"},
        {"type": "message", "content": "x"},
        {"type": "message_start", "message": None},
        {"type": "message_stop"},
        {"type": "content_block_delta", "delta": None},
        {"type": ["message"]},
        text_delta("x"),
    ],
)
def test_answer_has_not_begun_with_what_is_no_message(document: object) -> None:
    assert not read(document).begun


def test_stream_is_complete_when_it_stopped_and_not_before() -> None:
    assert not read(START, text_delta("Two ")).is_complete
    assert read(START, text_delta("Two "), STOP).is_complete
    assert read(START, message_delta("end_turn")).is_complete

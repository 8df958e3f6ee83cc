import pytest

from readiness.simulator.reading import JudgingTask, Task, read_judging_task, read_task
from readiness.simulator.wire import Message

PASSAGE = "The dock weighs 2 kg.\n\nIt is made in Oslo."


def message(role: str, *parts: str) -> Message:
    return Message.model_validate(
        {"role": role, "content": [{"type": "text", "text": part} for part in parts]}
    )


def user(*parts: str) -> Message:
    return message("user", *parts)


@pytest.mark.parametrize("label", ["Source:", "Context:", "Passage:", "## Source:", "sources:", "Document:"])
def test_task_takes_what_follows_a_label(label: str) -> None:
    assert read_task([user(f"Question: How heavy?\n{label}\n{PASSAGE}")]) == Task("How heavy?", PASSAGE)


def test_task_takes_a_question_after_the_source() -> None:
    prompt = f"Answer briefly.\n\nSource: {PASSAGE}\n\nQuestion: How heavy?\nAnswer:"
    assert read_task([user(prompt)]) == Task("How heavy?", PASSAGE)


def test_task_keeps_lines_of_the_source_that_look_like_a_question() -> None:
    source = f"{PASSAGE}\nQuestion: is this a FAQ?\nYes."
    assert read_task([user(f"Question: How heavy?\nSource:\n{source}")]).passage == source


def test_task_ends_the_source_at_the_last_question_behind_it() -> None:
    task = read_task([user(f"Source:\n{PASSAGE}\nQuestion: FAQ?\nYes.\nQuestion: How heavy?")])
    assert task == Task("How heavy?", f"{PASSAGE}\nQuestion: FAQ?\nYes.")


def test_task_joins_a_source_in_one_message_with_the_question_in_another() -> None:
    assert read_task([message("system", f"Source:\n{PASSAGE}"), user("How heavy?")]) == Task(
        "How heavy?", PASSAGE
    )


def test_task_prefers_the_newest_source() -> None:
    earlier = [user(f"Question: Old?\nSource: {PASSAGE}"), message("assistant", "Source: of my own making")]
    assert read_task([*earlier, user("Question: New?\nSource: Newer text.")]) == Task("New?", "Newer text.")


def test_task_takes_the_longest_part_where_nothing_is_labelled() -> None:
    assert read_task([user("Be brief.", PASSAGE, "How heavy?")]) == Task("How heavy?", PASSAGE)


def test_task_splits_one_unlabelled_text_at_its_question() -> None:
    assert read_task([user(f"How heavy?\n\n{PASSAGE}")]) == Task("How heavy?", PASSAGE)


def test_task_splits_one_unlabelled_text_at_its_shorter_end() -> None:
    assert read_task([user("The dock weighs a full 2 kg.\n\nIts weight")]).question == "Its weight"


def test_task_without_a_passage_says_so() -> None:
    assert read_task([user("How heavy?")]) == Task("How heavy?", "")


def test_task_of_empty_messages_is_empty() -> None:
    assert read_task([user("")]) == Task("", "")


def test_judging_task_ends_the_source_at_the_last_answer_line() -> None:
    source = "A quiz.\nSource: a book\nAnswer: Oslo\nmore text"
    prompt = f"Judge this.\nQuestion: Where?\nSource:\n{source}\nAnswer:\nIn Bergen."
    assert read_judging_task([user(prompt)]) == JudgingTask("Where?", source, "In Bergen.")


def test_judging_task_needs_both_source_and_answer() -> None:
    assert read_judging_task([user("Question: Where?\nSource:\nOslo.")]) is None


def test_judging_task_is_found_beside_instructions() -> None:
    task = read_judging_task(
        [message("system", "You judge answers."), user("Source: It is red.\nAnswer: Red.")]
    )
    assert task == JudgingTask("", "It is red.", "Red.")

import pytest

from readiness.simulator.language import (
    content_stems,
    name_spans,
    negations,
    number_spans,
    number_value,
    number_values,
    sentences,
)


def texts(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One thing. Another thing.", ["One thing.", "Another thing."]),
        ("Ask Dr. Lund. She knows.", ["Ask Dr. Lund.", "She knows."]),
        ("The U.S. Army has it. Good.", ["The U.S. Army has it.", "Good."]),
        ("It costs 20. The next is free.", ["It costs 20.", "The next is free."]),
        ("1. Press it. 2. Let go.", ["1. Press it.", "2. Let go."]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("a line\nanother line", ["a line", "another line"]),
        ("version 2.1 is out", ["version 2.1 is out"]),
        ("  \n ", []),
    ],
)
def test_sentences_end_where_a_reader_would_stop(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("It takes 1,000 to 2.5 hours", ["1,000", "2.5"]),
        ("It has two ports", ["two"]),
        ("2. Press for 3 seconds", ["3"]),
        ("30 days are given", ["30"]),
        ("Model A4 of v2 is new", []),
    ],
)
def test_number_spans_find_numbers_but_no_markers_or_codes(sentence: str, expected: list[str]) -> None:
    assert texts(sentence, number_spans(sentence)) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,000", "1000"), ("4.50", "4.5"), ("Two", "2"), ("007", "7"), ("0", "0"), ("10", "10")],
)
def test_number_value_is_the_same_for_the_same_number(text: str, value: str) -> None:
    assert number_value(text) == value


def test_number_values_include_digits_inside_words() -> None:
    assert number_values("A4 paper, 15-20 sheets, three trays") == {"4", "15", "20", "3"}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Ask Maria Lund in Oslo", ["Maria Lund", "Oslo"]),
        ("Kestrel Dock is small", ["Dock"]),
        ("The Kestrel is small", ["Kestrel"]),
        ("Warranty is long", []),
        ("It says: Warranty is long", []),
        ("If In doubt I ask", []),
    ],
)
def test_name_spans_find_names_but_no_opening_words(sentence: str, expected: list[str]) -> None:
    assert texts(sentence, name_spans(sentence)) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [("It is not", 1), ("It isn't", 1), ("never and nowhere, no", 2), ("a knot, nothing", 0)],
)
def test_negations_are_counted_as_words(text: str, count: int) -> None:
    assert negations(text) == count


@pytest.mark.parametrize(
    ("one", "other"),
    [("warranties", "warranty"), ("covered", "covers"), ("minutes", "minute"), ("Lund's", "Lund")],
)
def test_content_stems_join_the_forms_of_a_word(one: str, other: str) -> None:
    assert content_stems(one) == content_stems(other)


def test_content_stems_leave_out_stop_words() -> None:
    assert content_stems("Which of the docks is it?") == {"dock"}

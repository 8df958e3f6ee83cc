import pytest

from readiness.scorers.quantities import (
    Quantities,
    find_quantities,
    find_worded_quantities,
    without_list_numbers,
    without_references,
)
from readiness.scorers.text import words


def _supported(source: str, answer: str) -> bool:
    known = Quantities(source, words(source))
    return all(map(known.support, [*find_quantities(answer), *find_worded_quantities(answer)]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It takes 45 minutes.", [("45", "minutes")]),
        ("1,500.50 kg and 1500.5 kilograms", [("1500.5", "kilograms"), ("1500.5", "kilograms")]),
        ("at 7:00, or 7:30", [("7", None), ("7:30", None)]),
        ("½ cup, 1/2 cups", [("1/2", "cups"), ("1/2", "cups")]),
        ("165 degrees F, 74°C, 60 %", [("165", "fahrenheit"), ("74", "celsius"), ("60", "percent")]),
        ("on March 3, on 4 Apr", [("3", "march"), ("4", "april")]),
        ("you may 5 march", [("5", None)]),
        ("model WX200 has none", []),
    ],
)
def test_quantities_are_read_with_their_units(text, expected) -> None:
    assert [(quantity.value, quantity.unit) for quantity in find_quantities(text)] == expected


def test_quantity_marks_the_number_and_its_unit() -> None:
    text = "Wait 45 minutes."
    (quantity,) = find_quantities(text)
    assert text[quantity.start : quantity.end] == "45 minutes"


@pytest.mark.parametrize(("text", "kind"), [("on 3 May", "date"), ("for 3 days", "number"), ("3", "number")])
def test_kind_of_a_day_of_a_month_is_date(text, kind) -> None:
    assert [quantity.kind for quantity in find_quantities(text)] == [kind]


def test_number_in_words_counts_only_before_a_unit() -> None:
    found = [
        (quantity.value, quantity.unit) for quantity in find_worded_quantities("Two ways: wait two hours.")
    ]
    assert found == [("2", "hours")]


@pytest.mark.parametrize(
    ("source", "answer", "supported"),
    [
        ("Wait 45 minutes.", "45 minutes", True),
        ("Wait 45 minutes.", "about 45", True),
        ("Wait 45 minutes.", "40 minutes", False),
        ("Wait 45 minutes.", "45 hours", False),
        ("Wait 45 min.", "45 minutes", True),
        ("Group 45 waits.", "45 hours", True),
        ("Twelve litres.", "12 liters", True),
        ("Opens on 3 May.", "It opens on May 3.", True),
        ("Opens on 3 May.", "It opens on June 3.", False),
        ("Two hours.", "two hours", True),
        ("Two hours.", "three hours", False),
        ("Costs $1,200.00.", "1200 dollars", True),
    ],
)
def test_source_supports_a_number_unless_its_units_contradict(source, answer, supported) -> None:
    assert _supported(source, answer) is supported


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("1. Open it.\n2) Close it for 3 s.", ["3"]),
        ("(4) Open it.", []),
        ("passage 2:3pm", ["3"]),
        ("Step 1: wait 5 minutes", ["5"]),
        ("2.5 litres", ["2.5"]),
    ],
)
def test_list_numbers_state_nothing(text, left) -> None:
    blanked = without_list_numbers(text)
    assert len(blanked) == len(text)
    assert [quantity.value for quantity in find_quantities(blanked)] == left


@pytest.mark.parametrize("text", ["(Passage 1)", "passages 1, 2 and 3", "as said [4]", "see step 2"])
def test_references_to_passages_state_nothing(text) -> None:
    blanked = without_references(text)
    assert len(blanked) == len(text)
    assert list(find_quantities(blanked)) == []

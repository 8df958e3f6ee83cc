import pytest

from readiness.scorers.names import Names, unsupported_names
from readiness.scorers.text import words


def _unsupported(source: str, answer: str) -> list[str]:
    return [answer[start:end] for start, end in unsupported_names(answer, Names(source, words(source)))]


@pytest.mark.parametrize(
    ("source", "answer", "expected"),
    [
        ("Written by Anna Moss.", "The author is Anna Moss.", []),
        ("Written by Anna Moss.", "The author is Peter Moss.", ["Peter"]),
        ("Written by Anna Moss.", "The author is Peter Long of Kent.", ["Peter Long of Kent"]),
        ("The Internal Revenue Service decides.", "It is the IRS that decides.", []),
        ("Ask the FBI.", "You ask the CIA.", ["CIA"]),
        ("It rains in Apr and Oct.", "It rains in April.", []),
        ("It rains in April.", "It rains in Apr.", []),
        ("Take vitamin B12.", "You take vitamin B6.", ["B6"]),
        ("Take vitamin B12.", "You take vitamin b12.", []),
        ("A sealed pump.", "Rinse it. Never open it.\n- Dry it", []),
        ("A sealed pump.", 'It says: "Rinse it."', []),
        ("A sealed pump.", "Fill it, I think, by the Step.", []),
        ("The harvest ends.", "In the fall of May-Ling it ends.", ["May-Ling"]),
    ],
)
def test_names_are_looked_up_in_the_source(source, answer, expected) -> None:
    assert _unsupported(source, answer) == expected


def test_two_letters_are_no_abbreviation() -> None:
    assert _unsupported("The pattern is simple.", "We live in PA now.") == ["PA"]

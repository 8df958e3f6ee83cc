import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.scorers.text import is_mostly_latin, normalised, stem, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Pump's filter, cleaned.", ["the", "pump", "s", "filter", "cleaned"]),
        ("Café au lait – 20 cups", ["café", "au", "lait", "cups"]),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_in_lower_case(text, expected) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cooked", "cooking"),
        ("filters", "filter"),
        ("battery", "batteries"),
        ("rinse", "rinses"),
        ("large", "largest"),
    ],
)
def test_stem_joins_the_forms_of_a_word(first, second) -> None:
    assert stem(first) == stem(second)


@given(st.text(alphabet="abcdefghilnorstuy", min_size=1, max_size=15))
def test_stem_keeps_at_least_three_letters_of_the_word(word) -> None:
    assert word.startswith(stem(word))
    assert len(stem(word)) >= min(3, len(word))


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("plain words", True),
        ("Größe und café", True),
        ("12:30", True),
        ("ответ на вопрос", False),
        ("答案是 ok", False),
    ],
)
def test_latin_is_recognised_by_most_letters(text, latin) -> None:
    assert is_mostly_latin(text) is latin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat, sat!", ["cat", "sat"]),
        ("an  apple\na day", ["apple", "day"]),
        ("U.S. mother-in-law don't don’t", ["us", "motherinlaw", "dont", "dont"]),
        ("3.5 −3.5 1,000 $40", ["3.5", "-3.5", "1000", "40"]),
        ("Ｆｕｌｌ", ["full"]),
        ("की का", ["की", "का"]),
        ("?!", []),
    ],
)
def test_normalised_keeps_what_two_answers_are_compared_by(text, expected) -> None:
    assert normalised(text) == expected


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text) -> None:
    once = normalised(text)
    assert normalised(" ".join(once)) == once

from hypothesis import given
from hypothesis import strategies as st

from readiness.simulator.chance import draws
from readiness.simulator.corruption import Altered, alter
from readiness.simulator.language import negations, number_value, number_values, vocabulary

WORDS = (
    "The dock weighs 2 kg and 1,500 g at 4.50 euro in 2024 . It is isn't cannot never not won't Don't "
    "Maria Lund Oslo May Friday two seven of January 007 15-20 (510) can must was IS NOT"
)
ENGLISH = st.lists(st.sampled_from(WORDS.split(" ")), min_size=1, max_size=20).map(" ".join)


def altered(sentence: str, seed: int = 0, passage: str = "") -> Altered:
    return alter(sentence, passage or sentence, draws(seed, "m", [sentence], 0))


@given(sentence=ENGLISH | st.text(max_size=60), rest=ENGLISH, seed=st.integers(0, 50))
def test_alter_invents_what_the_passage_does_not_say(sentence: str, rest: str, seed: int) -> None:
    passage = f"{sentence} {rest}"
    found = altered(sentence, seed, passage)
    change = found.alteration
    assert found.text != sentence
    assert found.text[change.end - len(change.after) : change.end] == change.after
    if change.kind == "number":
        assert number_value(change.after) not in number_values(passage)
    elif change.kind == "name":
        assert not vocabulary([change.after]) & vocabulary([passage])
    else:
        assert abs(negations(found.text) - negations(sentence)) == 1


def test_alter_is_the_same_for_the_same_draws() -> None:
    sentence = "Maria Lund is at 2 docks in Oslo."
    assert altered(sentence, 3) == altered(sentence, 3)


def test_alter_uses_every_kind() -> None:
    sentence = "The dock of Maria Lund is 24 months old."
    assert {altered(sentence, seed).alteration.kind for seed in range(50)} == {"number", "name", "negation"}


def kept_form(sentence: str) -> set[str]:
    return {altered(sentence, seed).alteration.after for seed in range(60)}


def test_alter_keeps_thousands_commas() -> None:
    assert all("," in after for after in kept_form("Sold 12,000") if "true" not in after)


def test_alter_keeps_decimals() -> None:
    assert all(after.endswith(".50") for after in kept_form("Paid 14.50") if "true" not in after)


def test_alter_keeps_leading_zeros() -> None:
    assert all(len(after) == 3 for after in kept_form("bay 007") if after.isdigit())


def test_alter_keeps_a_year_close() -> None:
    years = {int(after) for after in kept_form("since 2019") if after.isdigit()}
    assert years
    assert all(2009 <= year <= 2029 for year in years)


def test_alter_replaces_a_month_by_a_month() -> None:
    assert kept_form("ships in July") & {"January", "March", "October"}
    assert not kept_form("ships in July") & {"Marlow", "Quillon"}


def test_alter_leaves_very_long_numbers_alone() -> None:
    assert altered("9" * 5_000).alteration.kind == "negation"


def test_alter_turns_a_negated_sentence_around() -> None:
    assert altered("it does not float").text == "it does float"


def test_alter_denies_what_has_nothing_to_alter() -> None:
    assert altered("press it").text == "It is not true that press it"

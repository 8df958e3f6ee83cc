"""Scorers compare by numbers, names and negations: the references must agree in these with the passages."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

import readiness.demo

HANDBOOK = Path(readiness.demo.__file__).parent / "handbook"
UNANSWERED = "The handbook does not say."
NEGATIONS = frozenset(["no", "not", "never", "nobody", "cannot", "nothing", "without", "neither", "only"])
NUMBER_WORDS = frozenset(
    ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "half", "twice", "once"]
)
GLUE = frozenset(
    ["yes", "no", "the", "a", "is", "are", "it", "for", "of", "in", "to", "on", "by", "and", "you"]
)


class Passage(NamedTuple):
    id: str
    section: str
    stratum: str
    text: str


class Question(NamedTuple):
    id: str
    passage: str
    stratum: str
    question: str
    reference: str
    answerable: bool


def lines(name: str) -> list[str]:
    return (HANDBOOK / name).read_text(encoding="utf-8").splitlines()


PASSAGES = [Passage(**json.loads(line)) for line in lines("passages.jsonl")]
QUESTIONS = [Question(**json.loads(line)) for line in lines("questions.jsonl")]
TEXT = {passage.id: passage.text for passage in PASSAGES}
ANSWERABLE = [question for question in QUESTIONS if question.answerable]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+(?:[.,:'@-][a-z0-9]+)*", text.lower())


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,:]\d+)*", text)) | (set(words(text)) & NUMBER_WORDS)


def names(text: str) -> set[str]:
    """Capitalised words that do not open a sentence, and codes such as E-14."""
    return set(re.findall(r"(?<=[a-z,;] )[A-Z][A-Za-z]+", text)) | set(re.findall(r"\b[A-Z]+-\d+\b", text))


def is_negative(text: str) -> bool:
    return bool(set(words(text)) & NEGATIONS)


def similarity(left: str, right: str) -> float:
    """Jaccard index of the two sets of words."""
    one, two = set(words(left)), set(words(right))
    return len(one & two) / len(one | two)


def test_handbook_is_large_enough() -> None:
    assert len(PASSAGES) >= 64
    assert len(QUESTIONS) >= 320


def test_ids_are_unique_and_in_order() -> None:
    assert len(TEXT) == len(PASSAGES)
    assert [q.id for q in QUESTIONS] == [f"q-{n:03d}" for n in range(1, len(QUESTIONS) + 1)]


def test_sections_are_unique() -> None:
    assert len({passage.section for passage in PASSAGES}) == len(PASSAGES)


def test_every_passage_has_about_five_questions() -> None:
    counts = Counter(question.passage for question in QUESTIONS)
    assert counts.keys() == TEXT.keys()
    assert set(counts.values()) <= {4, 5, 6}


def test_question_shares_the_stratum_of_its_passage() -> None:
    strata = {passage.id: passage.stratum for passage in PASSAGES}
    assert [q.id for q in QUESTIONS if q.stratum != strata[q.passage]] == []


def test_strata_are_many_and_of_like_size() -> None:
    counts = Counter(question.stratum for question in QUESTIONS)
    assert len(counts) >= 5
    assert min(counts.values()) >= 55
    assert max(counts.values()) <= 1.25 * min(counts.values())


def test_passages_have_60_to_140_words() -> None:
    lengths = {passage.id: len(passage.text.split()) for passage in PASSAGES}
    assert {id_: n for id_, n in lengths.items() if not 60 <= n <= 140} == {}


def test_passages_are_dense_with_numbers() -> None:
    assert [passage.id for passage in PASSAGES if len(numbers(passage.text)) < 4] == []


def test_passages_hold_a_negation() -> None:
    assert [passage.id for passage in PASSAGES if not is_negative(passage.text)] == []


def test_about_one_question_in_twelve_has_no_answer() -> None:
    assert 0.06 <= 1 - len(ANSWERABLE) / len(QUESTIONS) <= 0.10


def test_every_stratum_has_questions_without_answer() -> None:
    counts = Counter(q.stratum for q in QUESTIONS if not q.answerable)
    assert min(counts[passage.stratum] for passage in PASSAGES) >= 3


def test_reference_says_unanswered_exactly_when_it_is() -> None:
    assert [q.id for q in QUESTIONS if (q.reference == UNANSWERED) is q.answerable] == []


def test_reference_numbers_occur_in_the_passage() -> None:
    strange = {q.id: numbers(q.reference) - numbers(TEXT[q.passage]) for q in ANSWERABLE}
    assert {id_: found for id_, found in strange.items() if found} == {}


def test_reference_names_occur_in_the_passage() -> None:
    strange = {q.id: {n for n in names(q.reference) if n not in TEXT[q.passage]} for q in ANSWERABLE}
    assert {id_: found for id_, found in strange.items() if found} == {}


def test_negative_reference_follows_a_negative_sentence() -> None:
    """The sentence of the passage that is nearest to a reference with a negation has one as well."""
    strays = []
    for question in ANSWERABLE:
        sentences = re.split(r"(?<=\.) ", TEXT[question.passage])
        nearest = max(sentences, key=lambda sentence: similarity(sentence, question.reference))
        body = question.reference.removeprefix("No, ")
        if is_negative(body) and not is_negative(nearest):
            strays.append(question.id)
    assert strays == []


def test_reference_keeps_to_the_words_of_the_passage() -> None:
    def foreign_share(question: Question) -> float:
        own = [word for word in words(question.reference) if word not in GLUE]
        text = set(words(TEXT[question.passage]))
        return sum(word not in text for word in own) / len(own)

    assert {q.id: foreign_share(q) for q in ANSWERABLE if foreign_share(q) > 0.25} == {}


def test_reference_is_one_short_sentence() -> None:
    bad = [q.id for q in QUESTIONS if not q.reference.endswith(".") or len(words(q.reference)) > 30]
    bad += [q.id for q in QUESTIONS if re.search(r"[.!?] [A-Z]", q.reference)]
    assert bad == []


def test_questions_are_questions_of_readable_length() -> None:
    bad = [q.id for q in QUESTIONS if not q.question.endswith("?") or not 4 <= len(q.question.split()) <= 30]
    assert bad == []


def test_questions_do_not_repeat_each_other() -> None:
    pairs = [
        (one.id, two.id)
        for index, one in enumerate(QUESTIONS)
        for two in QUESTIONS[index + 1 :]
        if similarity(one.question, two.question) > 0.7
    ]
    assert pairs == []


def test_questions_open_in_many_ways() -> None:
    openings = Counter(" ".join(words(q.question)[:2]) for q in QUESTIONS)
    assert len(openings) >= 100
    assert openings.most_common(1)[0][1] <= 0.1 * len(QUESTIONS)


def test_unanswered_question_stays_on_the_topic_of_its_passage() -> None:
    """A question about something else is too easy to refuse: it shares a telling word with the passage."""
    strays = []
    for question in QUESTIONS:
        near = set(words(TEXT[question.passage]))
        telling = {word for word in words(question.question) if len(word) > 3 and word not in GLUE}
        if not question.answerable and not telling & near:
            strays.append(question.id)
    assert strays == []


def test_passages_do_not_repeat_sentences() -> None:
    seen: defaultdict[str, list[str]] = defaultdict(list)
    for passage in PASSAGES:
        for sentence in re.split(r"(?<=\.) ", passage.text):
            seen[sentence].append(passage.id)
    assert {sentence: ids for sentence, ids in seen.items() if len(ids) > 1} == {}


@pytest.mark.parametrize("name", ["passages.jsonl", "questions.jsonl"])
def test_file_uses_plain_characters(name: str) -> None:
    """ASCII and the degree sign: a typographic quote or a special space would make equal texts differ."""
    strange = {character for line in lines(name) for character in line if not (" " <= character <= "~")}
    assert strange <= {"°"}


TYPOGRAPHY = re.compile(
    r"  "  # double space
    r"|^\s|\s$"
    r"|\s[,.;:?!]"
    r"|[,;](?=[A-Za-z])"
    r"|[.?!][A-Z]"
    r"|\d(?:kg|kWh|kW|cm|mm|km|euros|°C|%\w)"
    r"|\s%"
    r"|\b(\w+) \1\b"  # doubled word
    r"|\ba [aeio]|\b[Aa]n [bcdfgjkpqtvwyz]",
)


def test_texts_are_typographically_sound() -> None:
    texts = [(p.id, p.text) for p in PASSAGES] + [(p.id, p.section) for p in PASSAGES]
    texts += [(q.id, text) for q in QUESTIONS for text in (q.question, q.reference)]
    assert [(id_, found.group()) for id_, text in texts if (found := TYPOGRAPHY.search(text))] == []


def test_sentences_begin_with_a_capital_or_digit() -> None:
    texts = [(p.id, p.text) for p in PASSAGES] + [(q.id, q.question) for q in QUESTIONS]
    assert [id_ for id_, text in texts if re.search(r"(?:^|[.?!] )[a-z]", text)] == []


def test_places_and_addresses_are_fictional() -> None:
    """The demo reaches nobody real: addresses are in the reserved domain, telephones in 555 01xx."""
    text = "\n".join([*TEXT.values(), *(q.reference for q in QUESTIONS)])
    assert set(re.findall(r"@[\w.-]*\w", text)) == {"@orvendale.example"}
    assert [number for number in re.findall(r"0800 \d+ \d+", text) if "0800 555 01" not in number] == []


def test_sentences_of_passages_do_not_end_in_an_initial() -> None:
    """A sentence that ends in "the L." or "40 °C." looks like an abbreviation to a sentence splitter."""
    assert [p.id for p in PASSAGES if re.search(r"\b[A-Z]\. [A-Z]", p.text)] == []

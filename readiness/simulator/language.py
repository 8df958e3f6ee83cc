"""Words, sentences, numbers, names and negations of English text: what answers are built from and judged by.

Deliberately shallow (regular expressions, one pass each): a passage of 4 kB must cost well below 2 ms.
"""

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*")
_CAPITALISED = re.compile(r"(?<![\w'’-])[A-Z][\w’'-]*(?:[ ][A-Z][\w’'-]*)*")
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
_BREAK = re.compile(r"(?<=[.!?])(?P<closing>[\"')\]”]*)\s+(?=[\"'(\[“]?[A-Z0-9])|\n\s*")
_ABBREVIATION = re.compile(r"(?<!\w)(?:Mr|Mrs|Ms|Dr|Prof|St|vs|approx|e\.g|i\.e|[A-Z](?:\.[A-Z])*)\.$")
_LIST_MARKER = re.compile(r"\(?\d{1,3}(?:[.)]\s|\s\s)")
_NEGATION = re.compile(r"\b(?:not|no|never|cannot|none|neither|nor|without)\b|\b\w+n['’]t\b", re.IGNORECASE)

NUMBER_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
"""Spelled numbers from 2 on; "one" is a pronoun more often than a number."""
_VALUE_OF_WORD = {word: str(value) for value, word in enumerate(NUMBER_WORDS, start=2)}
_SPELLED = re.compile(rf"\b(?:{'|'.join(NUMBER_WORDS)})\b", re.IGNORECASE)

STOPWORDS = frozenset(
    """a about above after again all also am an and any are as at be because been before being below
    between both but by can cannot could did do does doing down during each few for from further get had
    has have having he her here hers him his how i if in into is it its itself just may me might more
    most must my no nor not of off on once one only or other our out over own per same shall she should
    so some such than that the their them then there these they this those through to too under until up
    us very was we were what when where which while who whom whose why will with within without would you
    your yours""".split()  # noqa: SIM905
)


def words(text: str) -> list[str]:
    """The words of the text in lower case, stop words included."""
    return _WORD.findall(text.lower())


def stem(word: str) -> str:
    """A crude common form: possessive, plural, -ed and -ing endings fall away from longer words."""
    word = word.removesuffix("'s").removesuffix("’s")
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending, shortest in (("ing", 6), ("ed", 5), ("es", 5), ("s", 4)):
        if word.endswith(ending) and len(word) >= shortest and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    return word.rstrip("e") if len(word) > 3 else word


def content_stems(text: str) -> set[str]:
    """Stems of the words that carry meaning."""
    return {stem(word) for word in words(text) if word not in STOPWORDS}


def sentences(text: str) -> list[str]:
    """The sentences in order, each a verbatim part of the text. A list marker stays with its sentence."""
    found: list[str] = []
    start = 0
    for gap in _BREAK.finditer(text):
        closing = gap.end("closing")  # -1 at a line break, which always ends a sentence
        if closing >= 0 and _is_abbreviation(text, start, gap.start()):
            continue
        found.append(text[start : max(closing, gap.start())].strip())
        start = gap.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def _is_abbreviation(text: str, start: int, full_stop: int) -> bool:
    """True when the full stop before ``full_stop`` ends no sentence: "Dr.", "U.S.", or the marker "2."."""
    if text[start:full_stop].strip(" (.)").isdecimal():
        return True
    return _ABBREVIATION.search(text, max(start, full_stop - 10), full_stop) is not None


def number_spans(sentence: str) -> list[tuple[int, int]]:
    """Where numbers stand, in digits or spelled; the marker of a numbered list ("2. Press") is none."""
    marker = _LIST_MARKER.match(sentence)
    begin = marker.end() if marker else 0
    spans = [match.span() for match in _NUMBER.finditer(sentence, begin)]
    return sorted(spans + [match.span() for match in _SPELLED.finditer(sentence)])


def number_value(text: str) -> str:
    """One form per value: ``1,000`` → ``1000``, ``two`` → ``2``, ``4.50`` → ``4.5``."""
    spelled = _VALUE_OF_WORD.get(text.lower())
    if spelled:
        return spelled
    plain = text.replace(",", "")
    if plain.count(".") == 1:
        plain = plain.rstrip("0").rstrip(".")
    return plain.lstrip("0") or "0"


def number_values(text: str) -> set[str]:
    """Values of all numbers in the text, list markers and digits inside words ("A4") included."""
    found = {number_value(match.group()) for match in _DIGITS.finditer(text)}
    return found | {number_value(match.group()) for match in _SPELLED.finditer(text)}


def name_spans(sentence: str) -> list[tuple[int, int]]:
    """Where names stand: runs of capitalised words.

    The word that opens the sentence, or follows a colon, is left out: most are ordinary words.
    """
    spans: list[tuple[int, int]] = []
    for match in _CAPITALISED.finditer(sentence):
        start, end = match.span()
        before = sentence[:start].rstrip(" \"'([“")
        if not before or before.endswith((":", ".", "!", "?")):
            start += len(match.group().partition(" ")[0]) + 1
        name = sentence[start:end]
        if len(name) > 1 and name.lower() not in STOPWORDS:
            spans.append((start, end))
    return spans


def negations(text: str) -> int:
    """How many words of negation the text has; an odd difference to another text means the opposite."""
    return len(_NEGATION.findall(text))


def vocabulary(texts: Iterable[str]) -> set[str]:
    """Stems of all words of the texts."""
    return {stem(word) for text in texts for word in words(text)}

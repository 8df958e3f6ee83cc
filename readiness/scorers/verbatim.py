"""Sentences taken over from a source word by word, but for a negation, a number or a name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from readiness.scorers.quantities import NUMBER_WORDS

_END = re.compile(r"[.!?:][\"'”’)\]]*\s+|\n\s*")
_TOKEN = re.compile(r"\S+")
_AROUND = "\"'“”‘’()[]*_,;.!?:"
_DIGITS = re.compile(r"\d+(?:[.,:/]\d+)*")
_NEGATIONS = frozenset({"not", "no", "never"})
_FILLERS = frozenset({"do", "does", "did", "always", "a", "an", "the"})
"""Left out on both sides: they come and go with a negation, or say nothing."""
_CONTRACTED = {"cannot": "can", "can't": "can", "won't": "will", "shan't": "shall"}
_FEWEST_WORDS = 4
"""Plain words that two sentences have to share in order to be taken for one sentence."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What a word is: ``word``, ``number``, ``name`` or ``negation``, and what the skeleton keeps of it."""

    kind: str
    kept: str
    text: str


class Verbatim:
    """The sentences of a source by what is left when negations, numbers and names are taken out."""

    def __init__(self, text: str) -> None:
        self._sentences: dict[str, dict[str, None]] = {}
        for _, sentence in _statements(text):
            self._sentences.setdefault(_skeleton(sentence), {})[sentence.strip()] = None

    def alterations(self, answer: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and kind of what an answer's sentence changed in the source's sentence.

        A negation that was left out marks the whole sentence: there is no word to mark.
        """
        for start, sentence in _statements(answer):
            skeleton = _skeleton(sentence)
            originals = self._sentences.get(skeleton, {})
            if not originals or sentence.strip() in originals:
                continue
            if sum(map(str.isalpha, skeleton.split())) >= _FEWEST_WORDS:
                found = min((_differences(sentence, original) for original in originals), key=len)
                yield from ((start + first, start + last, kind) for first, last, kind in found)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Sentences, lines, and what a colon parts, each with its position."""
    start = 0
    for match in _END.finditer(text):
        yield start, text[start : match.end()]
        start = match.end()
    yield start, text[start:]


def _skeleton(sentence: str) -> str:
    first, *others = sentence.split() or [""]
    # The first word's capital says nothing.
    return " ".join(filter(None, map(_kept, [first.lower(), *others])))


@lru_cache(maxsize=65_536)
def _kept(word: str) -> str:
    return _part(word).kept


def _part(word: str) -> _Part:
    bare = word.strip(_AROUND)
    text = bare.lower().replace("’", "'")
    if text in _NEGATIONS:
        return _Part("negation", "", text)
    if text == "cannot" or text.endswith("n't"):
        verb = _CONTRACTED.get(text, text.removesuffix("n't"))
        return _Part("negation", "" if verb in _FILLERS else verb, text)
    if text in NUMBER_WORDS:
        return _Part("number", "0", text)
    if any(map(str.isdigit, text)):
        return _Part("number", _DIGITS.sub("0", text), text)
    if bare[:1].isupper() and len(bare) > 1:
        return _Part("name", "@", text)
    return _Part("word", "" if text in _FILLERS else text, text)


def _parts(sentence: str) -> Iterator[tuple[re.Match[str], _Part]]:
    for index, match in enumerate(_TOKEN.finditer(sentence)):
        yield match, _part(match.group() if index else match.group().lower())


def _differences(sentence: str, original: str) -> list[tuple[int, int, str]]:
    """What ``sentence`` has in other words than ``original``, whose skeleton is the same."""
    found = []
    for kind in ("number", "name"):
        its = [part for _, part in _parts(original) if part.kind == kind]
        mine = [(match, part) for match, part in _parts(sentence) if part.kind == kind]
        found += [
            (*_bare_span(match), kind)
            for (match, part), other in zip(mine, its, strict=True)
            if part.text != other.text
        ]
    negations = [match for match, part in _parts(sentence) if part.kind == "negation"]
    if len(negations) % 2 != sum(part.kind == "negation" for _, part in _parts(original)) % 2:
        stripped = sentence.strip()
        start = sentence.index(stripped)
        whole = (start, start + len(stripped))
        found.append((*(_bare_span(negations[0]) if negations else whole), "negation"))
    return found


def _bare_span(match: re.Match[str]) -> tuple[int, int]:
    """A word's place without the punctuation around it."""
    start = match.start() + len(match.group()) - len(match.group().lstrip(_AROUND))
    return start, start + len(match.group().strip(_AROUND))

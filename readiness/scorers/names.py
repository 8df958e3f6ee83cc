"""Names in English text: capitalised words within a sentence, and identifiers such as B12."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

from readiness.scorers.text import STOP_WORDS, stem

_CAPITALISED = r"\b[A-Z][\w&]*(?:[-'’.][A-Za-z]\w*)*"
_IDENTIFIER = re.compile(r"\b[A-Za-z]+\d\w*")
_NAME = re.compile(f"{_IDENTIFIER.pattern}|{_CAPITALISED}")
_LETTERS = re.compile(r"[^\W\d_]+")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;\"“”(\[*•|–—-]\s*|\n\s*|\d[.)]\s+)$")
_START_REACH = 6
_JOINED_BY = frozenset({"", "of", "and", "the", "&", "for"})
_NO_NAMES = STOP_WORDS | {"fahrenheit", "celsius", "step", "steps", "note"}
_SHORTEST_ABBREVIATION = 3
_LONGEST_ACRONYM = 6


class Names:
    """The words of a source (in lower case, in order), to look an answer's names up in."""

    def __init__(self, text: str, words: Sequence[str]) -> None:
        self._text = text
        self._words = words
        self._stems = frozenset(map(stem, set(words)))

    @cached_property
    def _vocabulary(self) -> list[str]:
        return sorted(set(self._words))

    @cached_property
    def _initials(self) -> str:
        return "".join(word[0] for word in self._words)

    @cached_property
    def _identifiers(self) -> frozenset[str]:
        return frozenset(_IDENTIFIER.findall(self._text.lower()))

    def support(self, name: str) -> bool:
        """Whether each word of the name is in the source: itself, longer or shortened, or as its initials."""
        if _IDENTIFIER.fullmatch(name):
            return name.lower() in self._identifiers
        if all(stem(word) in self._stems for word in _name_words(name)):
            return True
        if name.isupper() and len(name) <= _LONGEST_ACRONYM and name.lower() in self._initials:
            return True
        return all(stem(word) in self._stems or self._has_abbreviation(word) for word in _name_words(name))

    def _has_abbreviation(self, word: str) -> bool:
        if len(word) < _SHORTEST_ABBREVIATION:
            return False
        position = bisect_left(self._vocabulary, word)
        if position < len(self._vocabulary) and self._vocabulary[position].startswith(word):
            return True
        beginnings = (word[:length] for length in range(_SHORTEST_ABBREVIATION, len(word)))
        return any(_contains(self._vocabulary, beginning) for beginning in beginnings)


def _contains(ordered: list[str], word: str) -> bool:
    position = bisect_left(ordered, word)
    return position < len(ordered) and ordered[position] == word


def unsupported_names(text: str, source: Names) -> Iterator[tuple[int, int]]:
    """Where names stand that the source has not; neighbouring ones are one.

    A capital that begins a sentence, a line or a quotation is no sign of a name and is passed over.
    """
    pending: tuple[int, int] | None = None
    for match in _NAME.finditer(text):
        if not _is_name(match) or source.support(match.group()):
            continue
        start, end = match.span()
        if pending and text[pending[1] : start].strip(" ") in _JOINED_BY:
            pending = (pending[0], end)
            continue
        if pending:
            yield pending
        pending = (start, end)
    if pending:
        yield pending


def _is_name(match: re.Match[str]) -> bool:
    if _IDENTIFIER.fullmatch(match.group()):
        return True
    return bool(_name_words(match.group())) and not begins_sentence(match.string, match.start())


def begins_sentence(text: str, position: int) -> bool:
    """Whether a sentence, a line, a list item or a quotation begins at the position."""
    return _SENTENCE_START.search(text, max(0, position - _START_REACH), position) is not None


@lru_cache(maxsize=16_384)
def _name_words(name: str) -> tuple[str, ...]:
    """The words of a capitalised run that can be part of a name."""
    found = (word.lower() for word in _LETTERS.findall(name))
    return tuple(word for word in found if len(word) > 1 and word not in _NO_NAMES)

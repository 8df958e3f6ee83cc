"""A text cut at the ends of marked stretches, so that a template can escape and mark each piece."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text with the kinds of the marks that cover it, none where it is unmarked."""

    text: str
    kinds: tuple[str, ...] = ()


def cut_at_marks(text: str, marks: Iterable[tuple[int, int, str]]) -> list[Piece]:
    """The text in pieces; ``marks`` are (start, end, kind) in characters and may overlap.

    Ends beyond the text are cut to it, empty marks are passed over. The pieces' texts add up to the text.
    """
    inside = [(max(start, 0), min(end, len(text)), kind) for start, end, kind in marks]
    inside = [mark for mark in inside if mark[0] < mark[1]]
    cuts = sorted({0, len(text), *(end for mark in inside for end in mark[:2])})
    return [
        Piece(text[start:end], tuple(dict.fromkeys(k for s, e, k in inside if s <= start and end <= e)))
        for start, end in pairwise(cuts)
    ]

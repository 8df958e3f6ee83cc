"""Numbers, dates, units and names of an answer that its source does not have."""

from functools import lru_cache
from itertools import chain

from readiness.scorers.base import Sample, Score, Span, Status, abstain
from readiness.scorers.names import Names, unsupported_names
from readiness.scorers.quantities import (
    Quantities,
    find_quantities,
    find_worded_quantities,
    without_list_numbers,
    without_references,
)
from readiness.scorers.text import is_mostly_latin, words
from readiness.scorers.verbatim import Verbatim

_LISTED = 8


class _Source:
    """A source read once for all answers that rest on it."""

    def __init__(self, text: str) -> None:
        text = without_list_numbers(text)
        found = words(text)
        self.quantities = Quantities(text, found)
        self.names = Names(text, found)
        self.verbatim = Verbatim(text)


_read = lru_cache(maxsize=64)(_Source)


def score(sample: Sample) -> Score:
    """The number of unsupported details, each marked in the answer.

    What the question says counts as source. A number with another unit than in the source is marked, as is a
    negation, number or name by which an otherwise verbatim sentence differs from the source's.
    """
    if not sample.answer.strip():
        return abstain("The answer is empty.")
    if not is_mostly_latin(sample.answer):
        return abstain("The answer is not in Latin letters, which is all that this scorer reads.")
    answer = without_references(without_list_numbers(sample.answer))
    source = _read(f"{sample.source}\n{sample.question}")
    found = {
        (quantity.start, quantity.end): quantity.kind
        for quantity in chain(find_quantities(answer), find_worded_quantities(answer))
        if not source.quantities.support(quantity)
    }
    for start, end in unsupported_names(answer, source.names):
        found[start, end] = "name"
    for start, end, kind in source.verbatim.alterations(answer):
        if kind == "negation" or not any(a <= start and end <= b for a, b in found):
            found[start, end] = kind
    spans = tuple(
        Span(start, end, kind, sample.answer[start:end]) for (start, end), kind in sorted(found.items())
    )
    return Score(
        status=Status.OK,
        value=float(len(spans)),
        label="flagged" if spans else "clear",
        spans=spans,
        explanation=_explanation(spans),
    )


def _explanation(spans: tuple[Span, ...]) -> str:
    if not spans:
        return "All numbers, dates and names are in the source."
    texts = list(dict.fromkeys(span.text for span in spans))
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return f"Not so in the source: {', '.join(texts[:_LISTED])}{more}."

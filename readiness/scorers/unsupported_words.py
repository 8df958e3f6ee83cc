"""Content words of an answer that its source does not have."""

from dataclasses import dataclass
from functools import lru_cache

from readiness.scorers.base import Sample, Score, Status, abstain
from readiness.scorers.text import STOP_WORDS, is_mostly_latin, stem, words

_LISTED = 8


@dataclass(frozen=True, slots=True)
class _Count:
    content: int
    novel: list[str]


def score_share(sample: Sample) -> Score:
    """The share of the answer's content words that neither source nor question has, 0 to 1."""
    count = _count(sample)
    return count if isinstance(count, Score) else _score(count, len(count.novel) / count.content)


def score_count(sample: Sample) -> Score:
    """The number of the answer's content words that neither source nor question has.

    It ranks better than the share: each such word is a chance to be wrong.
    """
    count = _count(sample)
    return count if isinstance(count, Score) else _score(count, float(len(count.novel)))


@lru_cache(maxsize=64)
def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, set(words(text))))


def _count(sample: Sample) -> _Count | Score:
    if not is_mostly_latin(sample.answer):
        return abstain("The answer is not in Latin letters, which is all that this scorer reads.")
    content = [word for word in words(sample.answer) if word not in STOP_WORDS]
    if not content:
        return abstain("The answer has no words of content.")
    known = _stems(f"{sample.source}\n{sample.question}")
    return _Count(len(content), [word for word in content if stem(word) not in known])


def _score(count: _Count, value: float) -> Score:
    listed = list(dict.fromkeys(count.novel))
    some = f": {', '.join(listed[:_LISTED])}" if listed else ""
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return Score(
        status=Status.OK,
        value=value,
        explanation=f"{len(count.novel)} of {count.content} content words are not in the source{some}{more}.",
    )

"""Does the answer equal the reference?"""

from readiness.scorers.base import Sample, Score, Status
from readiness.scorers.text import normalised


def score(sample: Sample) -> Score:
    """1 where answer and reference have the same words in the same order, else 0."""
    equal = normalised(sample.answer) == normalised(sample.reference or "")
    return Score(status=Status.OK, value=float(equal), label="match" if equal else "no match")

"""Does the answer contain the reference?"""

from readiness.scorers.base import Sample, Score, Status, abstain
from readiness.scorers.text import normalised


def score(sample: Sample) -> Score:
    """1 where the reference's words stand in the answer, whole, in order and unbroken; else 0."""
    wanted = normalised(sample.reference or "")
    if not wanted:
        return abstain("The reference has no words to look for.")
    found = f" {' '.join(wanted)} " in f" {' '.join(normalised(sample.answer))} "
    return Score(status=Status.OK, value=float(found), label="found" if found else "not found")

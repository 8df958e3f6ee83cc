"""How many words do answer and reference share?"""

from collections import Counter

from readiness.scorers.base import Sample, Score, Status
from readiness.scorers.text import normalised


def score(sample: Sample) -> Score:
    """The F1 of the answer's words against the reference's, 0 to 1, as in SQuAD's evaluation.

    1 where both are empty after normalisation, 0 where one of them is.
    """
    answer, reference = normalised(sample.answer), normalised(sample.reference or "")
    if not answer or not reference:
        return Score(status=Status.OK, value=float(answer == reference))
    shared = (Counter(answer) & Counter(reference)).total()
    return Score(
        status=Status.OK,
        value=2 * shared / (len(answer) + len(reference)),
        explanation=f"{shared} of {len(answer)} words are among the reference's {len(reference)}.",
    )

"""Every scorer that a run can use, by name."""

import logging

from readiness.scorers import contains, exact, token_f1, unsupported_details, unsupported_words
from readiness.scorers.base import Kind, Sample, Score, ScorerSpec, Status, abstain

logger = logging.getLogger(__name__)

_SPECS = (
    ScorerSpec(
        name="exact",
        version="1",
        title="Exact match",
        description="The answer equals the reference, but for case, punctuation and articles.",
        kind=Kind.OFFLINE,
        higher_is_better=True,
        low=0,
        high=1,
        needs_reference=True,
        flag_at=0,
        score=exact.score,
    ),
    ScorerSpec(
        name="contains",
        version="1",
        title="Contains the reference",
        description="The reference stands in the answer, but for case, punctuation and articles.",
        kind=Kind.OFFLINE,
        higher_is_better=True,
        low=0,
        high=1,
        needs_reference=True,
        flag_at=0,
        score=contains.score,
    ),
    ScorerSpec(
        name="token_f1",
        version="1",
        title="Token F1",
        description="Overlap of the answer's words with the reference's: mean of precision and recall.",
        kind=Kind.OFFLINE,
        higher_is_better=True,
        low=0,
        high=1,
        needs_reference=True,
        score=token_f1.score,
    ),
    ScorerSpec(
        name="unsupported_details",
        version="1",
        title="Unsupported details",
        description=(
            "Numbers, dates, units and names that the source does not have, and negations turned round in "
            "sentences taken from it. English; misses what is paraphrased."
        ),
        kind=Kind.OFFLINE,
        higher_is_better=False,
        low=0,
        high=None,
        needs_source=True,
        flag_at=1,
        score=unsupported_details.score,
    ),
    ScorerSpec(
        name="unsupported_words",
        version="1",
        title="Unsupported words (share)",
        description=(
            "Share of the answer's content words that the source does not have. English; ranks what to look "
            "at first, never decides."
        ),
        kind=Kind.OFFLINE,
        higher_is_better=False,
        low=0,
        high=1,
        needs_source=True,
        flag_at=0.35,
        score=unsupported_words.score_share,
    ),
    ScorerSpec(
        name="unsupported_word_count",
        version="1",
        title="Unsupported words (number)",
        description=(
            "Number of the answer's content words that the source does not have. Ranks better than the share "
            "among answers to like tasks. English; never decides."
        ),
        kind=Kind.OFFLINE,
        higher_is_better=False,
        low=0,
        high=None,
        needs_source=True,
        flag_at=20,
        score=unsupported_words.score_count,
    ),
    ScorerSpec(
        name="judge",
        version="1",
        title="Judge: supported by the source",
        description=(
            "A model reads source and answer and says whether the one supports the other. Advisory until "
            "people have checked enough of its verdicts."
        ),
        kind=Kind.JUDGE,
        higher_is_better=True,
        low=0,
        high=1,
        needs_source=True,
        flag_at=0,
    ),
)

SCORERS = {spec.name: spec for spec in _SPECS}
"""Each scorer by the name that runs store."""


def run_scorer(spec: ScorerSpec, sample: Sample) -> Score:
    """An offline scorer's score: abstains where the sample lacks what it needs, ``error`` where it fails.

    A failing scorer must not take a run down with it: the exception is logged and the score says so.
    """
    if spec.score is None:
        raise ValueError(f"{spec.title} needs a model call: it does not run offline.")
    if spec.needs_reference and sample.reference is None:
        return abstain("The example has no reference.")
    if spec.needs_source and not (sample.source or "").strip():
        return abstain("The example has no source.")
    try:
        return spec.score(sample)
    except Exception as error:
        logger.exception("Scorer %s/%s failed.", spec.name, spec.version)
        return Score(
            status=Status.ERROR, label="error", explanation=f"The scorer failed: {type(error).__name__}."
        )

import hashlib
import json
from dataclasses import asdict, replace

import pytest

from readiness.scorers import judge
from readiness.scorers.base import Kind, Sample, Score, ScorerSpec, Status
from readiness.scorers.registry import SCORERS, run_scorer

SPECS = list(SCORERS.values())
OFFLINE = [spec for spec in SPECS if spec.kind is Kind.OFFLINE]

SOURCE = (
    "passage 1: The Brookline pump holds 12 litres and runs for 45 minutes. "
    "Do not rinse the filter in hot water.\n"
    "passage 2: It was made by the Orvane Water Company in March 1998 and costs $1,200.50. It weighs ½ pound."
)
GOLDEN_SAMPLES = [
    Sample(question="How long does it run?", answer=answer, source=SOURCE, reference=reference)
    for answer, reference in [
        ("It runs for 45 minutes.", "45 minutes"),
        ("The 45 minutes!", "45 minutes"),
        ("It runs for 50 hours, says Marlow Brothers.", "45 minutes"),
        ("Rinse the filter in hot water.", "Do not rinse it."),
        (
            "1. It's from OWC (passage 2).\n2. It costs 1200.5 dollars, weighs 1/2 pound and won't rust.",
            "OWC",
        ),
        ("Polishing chrome handles daily prevents corrosion on 3 May, two weeks early.", "-3.5 days"),
        ("", "nothing"),
        ("Насос работает 50 минут.", "?"),
    ]
]
GOLDEN_REPLIES = [
    '{"verdict": "supported", "spans": [], "reason": "All of it."}',
    '{"verdict": "unsupported", "spans": ["50 HOURS", "gone"], "reason": "No such number."}',
    '```json\n{"verdict": "unsupported", "spans": [], "reason": ""}\n```',
    '{"verdict": "supported", "spans": ["50"], "reason": "Both."}',
    "supported",
]

GOLDEN = {
    "exact/1": "9542c0cd0e03a4e5",
    "contains/1": "e65a6dc0686a10c4",
    "token_f1/1": "b25bb448b08d7b1d",
    "unsupported_details/1": "f300d9bc28f3cb94",
    "unsupported_words/1": "a95c4bc1885c4e6b",
    "unsupported_word_count/1": "3a850205cf0e5e6d",
    "judge/1": "035a21145cb9bb17",
}


def _behaviour(spec: ScorerSpec) -> str:
    """Digest of what a scorer finds in the golden samples; how it words its explanation is left out."""
    if spec.kind is Kind.JUDGE:
        scores = [judge.read_verdict(reply, GOLDEN_SAMPLES[2].answer) for reply in GOLDEN_REPLIES]
    else:
        scores = [run_scorer(spec, sample) for sample in GOLDEN_SAMPLES]
    found = [{**asdict(score), "explanation": ""} for score in scores]
    said = json.dumps(found, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_changed_behaviour_has_a_new_version(spec) -> None:
    known = GOLDEN.get(f"{spec.name}/{spec.version}")
    assert _behaviour(spec) == known, (
        f"{spec.name} no longer scores as version {spec.version} did. Stored scores of both would be mixed: "
        f"give the scorer a new version in the registry and record its behaviour here."
    )


def test_golden_table_lists_the_current_versions_only() -> None:
    assert set(GOLDEN) == {f"{spec.name}/{spec.version}" for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_registry_files_each_scorer_under_its_name(spec) -> None:
    assert SCORERS[spec.name] is spec


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_only_a_judge_has_no_scorer_to_run_offline(spec) -> None:
    assert (spec.score is None) == (spec.kind is Kind.JUDGE)


@pytest.mark.parametrize("spec", OFFLINE, ids=lambda spec: spec.name)
@pytest.mark.parametrize("sample", GOLDEN_SAMPLES, ids=range(len(GOLDEN_SAMPLES)))
def test_value_lies_in_the_stated_range_or_is_absent(spec, sample) -> None:
    score = run_scorer(spec, sample)
    if score.status is Status.OK:
        assert score.value is not None
        assert spec.low <= score.value
        assert spec.high is None or score.value <= spec.high
    else:
        assert (score.status, score.value) == (Status.ABSTAIN, None)
        assert score.explanation


@pytest.mark.parametrize(
    "spec", [spec for spec in OFFLINE if spec.needs_reference], ids=lambda spec: spec.name
)
def test_scorer_abstains_without_the_reference_it_needs(spec) -> None:
    score = run_scorer(spec, Sample(question="q", answer="a", source="s"))
    assert (score.status, score.explanation) == (Status.ABSTAIN, "The example has no reference.")


@pytest.mark.parametrize("source", [None, " \n"])
@pytest.mark.parametrize("spec", [spec for spec in OFFLINE if spec.needs_source], ids=lambda spec: spec.name)
def test_scorer_abstains_without_the_source_it_needs(spec, source) -> None:
    score = run_scorer(spec, Sample(question="q", answer="a", reference="r", source=source))
    assert (score.status, score.explanation) == (Status.ABSTAIN, "The example has no source.")


def test_failing_scorer_gives_an_error_and_a_log_line(caplog) -> None:
    def fail(_sample: Sample) -> Score:
        raise ZeroDivisionError("secret text of the answer")

    score = run_scorer(replace(SCORERS["exact"], score=fail), GOLDEN_SAMPLES[0])
    assert (score.status, score.value) == (Status.ERROR, None)
    assert score.explanation == "The scorer failed: ZeroDivisionError."
    assert "Scorer exact/1 failed." in caplog.text


def test_judge_does_not_run_offline() -> None:
    with pytest.raises(ValueError, match="needs a model call"):
        run_scorer(SCORERS["judge"], GOLDEN_SAMPLES[0])


@pytest.mark.parametrize(
    ("name", "value", "flagged"),
    [
        ("exact", 0.0, True),
        ("exact", 1.0, False),
        ("token_f1", 0.0, False),
        ("unsupported_details", 1.0, True),
        ("unsupported_details", 0.0, False),
        ("judge", 0.0, True),
    ],
)
def test_flag_is_raised_from_its_value_on_toward_the_worse_side(name, value, flagged) -> None:
    assert SCORERS[name].flags(value) is flagged


@pytest.mark.parametrize(("name", "better", "worse"), [("exact", 1.0, 0.0), ("unsupported_words", 0.1, 0.9)])
def test_badness_ranks_the_worse_value_higher(name, better, worse) -> None:
    assert SCORERS[name].badness(better) < SCORERS[name].badness(worse)

"""Points, steps and the verdict's sentence."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from readiness.checklist.catalogue.loader import FOLDER, load
from readiness.checklist.catalogue.schema import Step
from readiness.checklist.rules import Judgement, judge
from readiness.checklist.score import StepSummary, summarise, summarise_step, verdict
from readiness.checklist.statuses import Status
from tests.checklist.builders import PRODUCERS, judgement, situation

TODAY = date(2026, 11, 23)
STEP = Step.model_validate(
    {
        "number": 3,
        "slug": "quality",
        "letter": "Q",
        "name": "Quality",
        "title": "Monitor quality",
        "summary": "Watch it.",
        "criteria": [],
    }
)


def step_of(*statuses: Status) -> StepSummary:
    return summarise_step(STEP, [judgement(status) for status in statuses], TODAY)


# Points --------------------------------------------------------------------------------------------------


def test_score_of_a_step_is_the_mean_of_its_points() -> None:
    assert step_of(Status.PASS, Status.ATTESTED, Status.FAIL, Status.STALE).score == 1.5 / 4


def test_criteria_that_do_not_apply_or_are_not_measured_leave_the_denominator() -> None:
    assert step_of(Status.PASS, Status.NOT_APPLICABLE, Status.UNMEASURED).score == 1.0


def test_waived_criterion_stays_in_the_denominator_and_earns_nothing() -> None:
    assert step_of(Status.PASS, Status.WAIVED).score == 0.5


def test_step_without_anything_that_counts_has_no_score() -> None:
    assert step_of(Status.UNMEASURED, Status.NOT_APPLICABLE).score is None


def test_step_counts_what_is_met() -> None:
    assert step_of(Status.PASS, Status.ATTESTED, Status.WAIVED, Status.UNMEASURED).counts == "2 of 4"


def test_step_lists_what_left_the_score() -> None:
    left_out = step_of(Status.PASS, Status.UNMEASURED, Status.UNMEASURED).having(Status.UNMEASURED)

    assert len(left_out) == 2


@given(st.lists(st.sampled_from(list(Status)), min_size=1, max_size=8), st.data())
def test_score_never_falls_when_a_criterion_turns_to_pass(
    statuses: list[Status], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(statuses) - 1))
    improved = [*statuses[:index], Status.PASS, *statuses[index + 1 :]]

    before, after = step_of(*statuses).score, step_of(*improved).score

    assert after is not None
    assert before is None or after >= before


# Steps ---------------------------------------------------------------------------------------------------


def test_step_passes_when_its_blockers_let_through() -> None:
    assert step_of(Status.PASS, Status.ATTESTED, Status.UNMEASURED).status is Status.PASS


def test_step_shows_the_worst_of_its_shut_blockers() -> None:
    assert step_of(Status.PASS, Status.UNKNOWN, Status.UNDECIDED).status is Status.UNDECIDED


def test_step_without_a_measured_blocker_is_not_measured() -> None:
    assert step_of(Status.UNMEASURED, Status.UNMEASURED).status is Status.UNMEASURED


def test_step_ignores_criteria_that_do_not_block() -> None:
    judgements = [judgement(Status.PASS), judgement(Status.FAIL, blocker=False, starter=False)]

    assert summarise_step(STEP, judgements, TODAY).status is Status.PASS


def test_step_ignores_blockers_until_their_day() -> None:
    later = judgement(Status.FAIL, starter=False, enable_on=date(2027, 3, 1))
    judgements = [judgement(Status.PASS), later]

    assert summarise_step(STEP, judgements, TODAY).status is Status.PASS
    assert summarise_step(STEP, judgements, date(2027, 3, 1)).status is Status.FAIL


# The whole project ---------------------------------------------------------------------------------------


def test_project_is_its_weakest_step() -> None:
    catalogue = load(FOLDER, PRODUCERS)
    judgements = {c.id: Judgement(c, Status.PASS, "") for c in catalogue.criteria}
    judgements["I3"] = Judgement(catalogue.criterion("I3"), Status.FAIL, "")

    summary = summarise(catalogue, judgements, TODAY)

    assert summary.score == 7 / 8
    assert summary.weakest is not None
    assert summary.weakest.step.slug == "infrastructure"


def test_new_project_is_blocked_by_what_can_be_measured_only() -> None:
    catalogue = load(FOLDER, PRODUCERS)
    judgements = {c.id: judge(c, None, situation()) for c in catalogue.criteria}

    summary = summarise(catalogue, judgements, TODAY)

    blocking = [blocked.criterion.id for blocked in summary.verdict.blocking]
    assert blocking == ["M1", "M3", "Q8", "R2", "R3", "R7"]
    assert summary.verdict.sentence == (
        "Blocked by 6 of 15: requirements without evidence, own-sample benchmark without evidence, "
        "human review without evidence, quota match without evidence, bounded queue without evidence, "
        "spend caps without evidence"
    )
    assert summary.verdict.detail == "9 of 15 blockers are not measured by this version and do not block."
    assert summary.score == 0


# The verdict ---------------------------------------------------------------------------------------------


def test_verdict_names_each_blocker_and_its_trouble() -> None:
    judgements = [
        judgement(Status.PASS, short="requirements"),
        judgement(Status.UNDECIDED, short="hallucination bound"),
        judgement(Status.FAIL, short="quota match"),
    ]

    result = verdict(judgements, TODAY)

    assert not result.is_open
    assert result.sentence == "Blocked by 2 of 3: hallucination bound undecided, quota match not met"
    assert result.detail == ""


def test_verdict_is_ready_when_every_blocker_lets_through() -> None:
    result = verdict([judgement(Status.PASS), judgement(Status.ATTESTED)], TODAY)

    assert result.is_open
    assert result.sentence == "Ready: all 2 blockers open"


def test_verdict_does_not_call_unmeasured_blockers_proven() -> None:
    result = verdict([judgement(Status.PASS), judgement(Status.UNMEASURED)], TODAY)

    assert result.is_open
    assert result.sentence == "Ready as far as measured: 1 of 2 blockers open"
    assert result.detail == "1 of 2 blockers is not measured by this version and does not block."


def test_verdict_over_nothing_measured_says_so() -> None:
    result = verdict([judgement(Status.UNMEASURED)], TODAY)

    assert result.sentence == "Nothing is decided yet: no blocker in force is measured by this version"


def test_verdict_names_what_was_waived() -> None:
    result = verdict([judgement(Status.WAIVED, short="quota match"), judgement(Status.PASS)], TODAY)

    assert result.detail == "Waived: quota match."


def test_verdict_leaves_out_what_does_not_block() -> None:
    failing = judgement(Status.FAIL, blocker=False, starter=False)

    assert verdict([judgement(Status.PASS), failing], TODAY).in_force == 1


@given(st.lists(st.sampled_from(list(Status)), min_size=1, max_size=15))
def test_gate_is_open_exactly_when_every_status_lets_through(statuses: list[Status]) -> None:
    result = verdict([judgement(status) for status in statuses], TODAY)

    assert result.is_open == all(status.lets_through for status in statuses)
    assert result.sentence.startswith("Blocked by") != result.is_open

"""The table of statuses is whole, and a whole shows the worst of its parts."""

import pytest

from readiness.checklist.statuses import DISPLAY, WORST_FIRST, Status, worst
from readiness.lib.icons import SHAPES, STATUS_SHAPES


def test_every_status_is_shown_by_its_own_word_and_shape() -> None:
    assert set(DISPLAY) == set(Status)
    assert len({display.word for display in DISPLAY.values()}) == len(Status)
    assert len({display.icon for display in DISPLAY.values()}) == len(Status)


def test_every_status_has_a_shape_that_is_drawn() -> None:
    assert {status.value: STATUS_SHAPES[status.display.css] for status in Status} == {
        status.value: status.display.icon for status in Status
    }
    assert all(status.display.icon in SHAPES for status in Status)


def test_every_status_has_its_rank() -> None:
    assert sorted(WORST_FIRST) == sorted(Status)


def test_statuses_that_let_through_are_those_of_the_design() -> None:
    assert {status for status in Status if status.lets_through} == {
        Status.PASS,
        Status.ATTESTED,
        Status.WAIVED,
        Status.NOT_APPLICABLE,
        Status.UNMEASURED,
    }


@pytest.mark.parametrize(
    ("status", "points"),
    [(Status.PASS, 1), (Status.ATTESTED, 0.5), (Status.WAIVED, 0), (Status.FAIL, 0), (Status.UNKNOWN, 0)],
)
def test_points_are_those_of_the_design(status: Status, points: float) -> None:
    assert status.points == points


def test_worst_prefers_what_is_known_to_be_wrong() -> None:
    assert worst([Status.UNKNOWN, Status.PASS, Status.FAIL, Status.UNDECIDED]) is Status.FAIL


def test_nothing_that_lets_through_is_worse_than_what_does_not() -> None:
    ranks = [status.lets_through for status in WORST_FIRST]

    assert ranks == sorted(ranks)

"""What to do next, and in which order."""

from datetime import timedelta

import pytest

from readiness.checklist.actions import Action, next_best_actions
from readiness.checklist.queries import verdicts
from readiness.checklist.services import gather_evidence
from readiness.evaluations.models import Run
from readiness.projects.models import Project
from tests.checklist.builders import NOW, plain
from tests.checklist.rows import make_check, make_decision, make_finished_run, make_target, make_traffic

pytestmark = pytest.mark.django_db


def actions(project: Project, last_run: Run | None = None) -> dict[str, Action]:
    gather_evidence(project, NOW)
    found = next_best_actions(verdicts(project, NOW), last_run)
    return {action.view.criterion.id: action for action in found}


def test_what_blocks_comes_before_what_is_announced(project):
    in_force = [action.view.in_force for action in actions(project).values()]

    assert in_force == sorted(in_force, reverse=True)
    assert {True, False} == set(in_force)


def test_form_comes_before_a_run(project):
    order = list(actions(project))

    assert order.index("M1") < order.index("M3")


def test_run_comes_before_a_change_of_the_product(project):
    target = make_target(project)
    make_traffic(target, upstream_429=50)

    order = list(actions(project))

    assert order.index("M3") < order.index("R2")


def test_what_is_met_or_not_measured_needs_no_action(project):
    make_traffic(make_target(project))

    found = actions(project)

    assert "R2" not in found
    assert "Q3" not in found


def test_run_is_estimated_like_the_last_one(project):
    run = make_finished_run(make_target(project), at=NOW - timedelta(days=1), spent_nanos=4_200_000_000)

    assert plain(actions(project, run)["M3"].effort) == "≈ $4.20 · 9 min"


def test_first_run_has_no_estimate(project):
    assert actions(project)["M3"].effort == "A run"


def test_decisions_and_checks_are_counted(project):
    target = make_target(project)
    for _ in range(5):
        make_decision(target)
        make_check(target)

    found = actions(project)

    assert found["Q8"].effort.endswith(" more decisions")
    assert found["Q4"].effort.endswith(" more checks")


def test_failure_says_what_helps(project):
    make_traffic(make_target(project), upstream_429=50)

    action = actions(project)["R2"]

    assert action.heading == "Improve: quota match"
    assert action.text.endswith(action.view.criterion.fix.text)


def test_requirements_are_completed(project):
    assert actions(project)["M1"].heading == "Complete: requirements"

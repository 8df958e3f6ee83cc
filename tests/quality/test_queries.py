"""Rates as evidence."""

from datetime import timedelta

from readiness.quality.models import CheckState
from readiness.quality.queries import Rates, policy_of, rates, spend_of_day
from tests.quality.support import NOW


def finish(check, **values):
    for name, value in ({"state": CheckState.DONE} | values).items():
        setattr(check, name, value)
    check.save()
    return check


def test_rates_leave_abstentions_out_of_their_n(project, make_check):
    first = finish(make_check(), supported=True, consistent=True)
    finish(make_check(), supported=False)
    finish(make_check(), supported=None, consistent=False)
    assert rates(project, first.deployment, first.prompt_hash) == Rates(
        checked=3, judged=2, supported=1, compared=2, consistent=1
    )


def test_rates_are_of_one_model_and_prompt_since_a_moment(project, make_check):
    check = finish(make_check(), supported=True)
    finish(make_check(prompt_hash="other"), supported=True)
    finish(make_check(deployment=None), supported=True)
    finish(make_check(at=NOW - timedelta(days=8)), supported=True)
    finish(make_check(), supported=True, state=CheckState.FAILED)
    found = rates(project, check.deployment, check.prompt_hash, NOW - timedelta(days=7))
    assert (found.supported, found.judged) == (1, 1)


def test_day_spends_what_was_started_in_it(project, make_check):
    finish(make_check(), started_at=NOW, cost_nanos=5, reserved_nanos=2)
    finish(make_check(), started_at=NOW - timedelta(days=1), cost_nanos=100)
    assert spend_of_day(project, NOW) == (5, 2)


def test_project_without_a_policy_has_one_that_is_off(project):
    assert not policy_of(project).enabled

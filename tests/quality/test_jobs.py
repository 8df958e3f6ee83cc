"""Rounds as the scheduler starts them."""

import pytest

from readiness.quality.jobs import check_project, sample_and_check
from readiness.quality.models import CheckState, SpotCheck
from tests.builders import make_logged_answer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def free_policy(policy, redis_server):
    """A policy whose checks need no call: nothing of it can cost money."""
    policy.judge, policy.reask_count, policy.daily_minimum, policy.share = None, 0, 0, 1.0
    policy.save()
    return policy


def test_round_samples_and_checks_every_project_that_is_switched_on(project, free_policy):
    make_logged_answer(project)
    assert sample_and_check() == 1
    assert SpotCheck.objects.get().state == CheckState.DONE


def test_round_run_twice_checks_an_answer_once(project, free_policy):
    make_logged_answer(project)
    assert [check_project(project.pk), check_project(project.pk)] == [1, 0]


def test_round_leaves_switched_off_projects_alone(project, free_policy):
    make_logged_answer(project)
    free_policy.enabled = False
    free_policy.save()
    assert sample_and_check() == 0

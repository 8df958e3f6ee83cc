"""Rounds as the scheduler starts them."""

import django_rq
import pytest
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from readiness.quality.jobs import QUEUE, check_project, sample_and_check
from readiness.quality.models import CheckState, SpotCheck
from tests.builders import make_logged_answer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def free_policy(policy, redis_server):
    """A policy whose checks need no call: nothing of it can cost money."""
    policy.judge, policy.reask_count, policy.daily_minimum, policy.share = None, 0, 0, 1.0
    policy.save()
    return policy


def test_schedule_asks_for_a_round_of_every_project_that_is_switched_on(project, free_policy):
    make_logged_answer(project)
    assert sample_and_check() == 1
    queue = django_rq.get_queue(QUEUE)
    SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer).work(burst=True)
    assert SpotCheck.objects.get().state == CheckState.DONE


def test_schedule_asks_once_while_a_round_waits(project, free_policy):
    assert [sample_and_check(), sample_and_check()] == [1, 0]


def test_round_run_twice_checks_an_answer_once(project, free_policy):
    make_logged_answer(project)
    assert [check_project(project.pk), check_project(project.pk)] == [1, 0]


def test_round_of_a_deleted_project_does_nothing(free_policy, db):
    assert check_project(4711) == 0


def test_schedule_leaves_switched_off_projects_alone(project, free_policy):
    make_logged_answer(project)
    free_policy.enabled = False
    free_policy.save()
    assert sample_and_check() == 0

"""A run's life as people steer it."""

from uuid import uuid4

import pytest

from readiness.evaluations.models import Cell, Run, RunState
from readiness.evaluations.services.runs import (
    RunRefusedError,
    cancel_run,
    finish_if_complete,
    pause_run,
    resume_run,
    retry_failed,
)
from readiness.providers.models import ProviderKind
from tests.builders import make_account, make_deployment
from tests.evaluations.support import NOW, make_run, priced, states

pytestmark = pytest.mark.django_db


def test_a_run_has_a_cell_for_each_example_deployment_and_trial(project):
    run = make_run(project, examples=3, deployments=[priced("a"), priced("b")], trials=2)
    keys = set(run.cells.values_list("example", "deployment", "trial"))
    assert len(keys) == run.cells.count() == 12
    assert set(run.cells.values_list("prompt_version", flat=True)) == {run.prompt_version_id}


def test_starting_twice_with_one_id_makes_one_run(project):
    run_id, deployments = uuid4(), [priced()]
    runs = [make_run(project, run_id=run_id, deployments=deployments) for _ in range(2)]
    assert runs[0] == runs[1]
    assert (Run.objects.count(), Cell.objects.count()) == (1, 3)


def test_recorded_and_live_deployments_do_not_share_a_run(project):
    recorded = make_deployment(make_account(project, kind=ProviderKind.RECORDED))
    with pytest.raises(RunRefusedError, match="cannot share"):
        make_run(project, deployments=[priced(), recorded])


def test_a_switched_off_deployment_is_refused_by_name(project):
    with pytest.raises(RunRefusedError, match="Switched off: writer"):
        make_run(project, deployments=[priced(active=False)])


def test_a_dataset_without_examples_is_refused(project):
    with pytest.raises(RunRefusedError, match="no examples"):
        make_run(project, examples=0)


def test_a_paused_run_resumes_where_it_was(project):
    run = make_run(project)
    assert pause_run(run_id=run.id, reason="Lunch.")
    assert not pause_run(run_id=run.id, reason="Again.")
    assert resume_run(run_id=run.id)
    run.refresh_from_db()
    assert (run.state, run.state_reason) == (RunState.QUEUED, "")


def test_a_cancelled_run_stays_cancelled(project):
    run = make_run(project)
    assert cancel_run(run_id=run.id, reason="Wrong prompt.", now=NOW)
    assert not resume_run(run_id=run.id)
    assert retry_failed(run_id=run.id) == 0
    run.refresh_from_db()
    assert (run.state, run.finished_at) == (RunState.CANCELLED, NOW)


def test_failed_cells_are_tried_again_with_nothing_left_of_their_error(project):
    run = make_run(project, examples=2)
    run.cells.update(state="done")
    run.cells.filter(pk=run.cells.first().pk).update(state="failed", error_class="provider_fault")
    assert finish_if_complete(run_id=run.id, now=NOW)
    assert retry_failed(run_id=run.id) == 1
    run.refresh_from_db()
    assert (run.state, run.finished_at, states(run)) == (RunState.QUEUED, None, ["pending", "done"])
    assert run.cells.first().error_class == ""


def test_a_run_with_a_cell_in_flight_is_not_done(project):
    run = make_run(project, examples=2)
    run.cells.update(state="done")
    run.cells.filter(pk=run.cells.first().pk).update(state="leased")
    assert not finish_if_complete(run_id=run.id, now=NOW)

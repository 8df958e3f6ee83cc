"""Claims, leases and the budget, in the order in which shards can interleave them."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from readiness.evaluations.models import Cell, CellScore, Run, RunState
from readiness.evaluations.services.cells import (
    LEASE,
    MAX_CLAIMS,
    Outcome,
    claim_cells,
    finish_cells,
    reap_run,
    renew_leases,
    return_cells,
    store_answers,
)
from readiness.projects.models import Project
from tests.evaluations.support import NOW, answer, claim, make_recorded_run, make_run, priced, states

LATER = NOW + LEASE + timedelta(seconds=1)


def finish(run, cell, *, token="t1", cost=0, error=""):
    scores = [] if error else [score(cell, cost)]
    outcome = Outcome(cell_id=cell.pk, token=token, at=NOW, scores=scores, error_class=error)
    finish_cells(run_id=run.id, outcomes=[outcome])


def score(cell, cost=0):
    return CellScore(
        cell_id=cell.pk, scorer="judge", scorer_version="1", status="ok", value=1, cost_nanos=cost
    )


def money(run):
    run.refresh_from_db()
    return run.spent_nanos, run.reserved_nanos


def test_a_cell_is_claimed_by_one_shard_only(project):
    run = make_run(project, examples=3)
    first, second = claim(run, limit=2), claim(run, token="t2", limit=2)
    assert len(first.cells) == 2
    assert len(second.cells) == 1
    assert {c.pk for c in first.cells}.isdisjoint(c.pk for c in second.cells)


def test_the_first_claim_starts_the_run(project):
    run = make_run(project)
    claim(run)
    run.refresh_from_db()
    assert (run.state, run.started_at) == (RunState.RUNNING, NOW)


def test_a_paused_run_gives_no_cells(project):
    run = make_run(project)
    Run.objects.update(state=RunState.PAUSED)
    assert not claim(run).open
    assert states(run) == ["pending"] * 3


def test_claims_move_all_deployments_through_the_dataset_together(project):
    run = make_run(project, examples=4, deployments=[priced("a"), priced("b")], budget_nanos=40)
    claimed = claim(run, bound=10).cells
    assert [cell.example.position for cell in claimed] == [0, 0, 1, 1]


def test_a_claim_reserves_its_worst_case_and_no_more_than_the_budget_holds(project):
    run = make_run(project, examples=5, budget_nanos=35)
    assert len(claim(run, bound=10).cells) == 3
    assert money(run) == (0, 30)


def test_a_run_stops_at_its_budget_when_nothing_is_in_flight(project):
    run = make_run(project, budget_nanos=5)
    assert not claim(run, bound=10).open
    run.refresh_from_db()
    assert run.state == RunState.BUDGET_STOPPED
    assert "budget" in run.state_reason


def test_a_run_waits_for_cells_in_flight_before_it_stops_at_its_budget(project):
    run = make_run(project, budget_nanos=15)
    claim(run, bound=10)
    assert claim(run, token="t2", bound=10).open


def test_an_answers_cost_takes_the_place_of_its_reservation(project):
    run = make_run(project, examples=1, budget_nanos=10)
    (cell,) = claim(run, bound=10).cells
    store_answers(run_id=run.id, answers=[answer(cell, cost=6, judge=3)])
    assert money(run) == (6, 3)


def test_a_judges_cost_is_spent_and_shown_apart(project):
    run = make_run(project, examples=1, budget_nanos=10)
    (cell,) = claim(run, bound=10).cells
    store_answers(run_id=run.id, answers=[answer(cell, cost=6, judge=3)])
    finish(run, cell, cost=2)
    assert money(run) == (8, 0)
    assert run.judge_spent_nanos == 2


def test_a_failed_cell_gives_its_reservation_back(project):
    run = make_run(project, examples=1, budget_nanos=10)
    (cell,) = claim(run, bound=10).cells
    finish(run, cell, error="bad_request")
    assert money(run) == (0, 0)
    assert states(run) == ["failed"]


def test_a_returned_cell_can_be_claimed_again_as_if_never_touched(project):
    run = make_run(project, examples=1, budget_nanos=10)
    (cell,) = claim(run, bound=10).cells
    return_cells(run_id=run.id, token="t1", cell_ids=[cell.pk])
    (again,) = claim(run, token="t2", bound=10).cells
    assert (again.pk, again.claims) == (cell.pk, 1)
    assert money(run) == (0, 10)


def test_a_renewed_lease_is_not_reaped(project):
    run = make_run(project, examples=1)
    claim(run)
    assert renew_leases(token="t1", now=LATER) == 1
    assert reap_run(run_id=run.id, now=LATER) == 0


def test_a_dead_workers_cell_is_free_again_and_its_reservation_counts_as_spent(project):
    run = make_run(project, examples=1, budget_nanos=10)
    claim(run, bound=10)
    assert reap_run(run_id=run.id, now=LATER) == 1
    assert states(run) == ["pending"]
    assert money(run) == (10, 0)


def test_a_late_answer_to_a_reaped_cell_is_kept_and_not_counted_twice(project):
    run = make_run(project, examples=1, budget_nanos=10)
    (cell,) = claim(run, bound=10).cells
    reap_run(run_id=run.id, now=LATER)
    store_answers(run_id=run.id, answers=[answer(cell, cost=6)])
    cell.refresh_from_db()
    assert (cell.output, money(run)) == ("10 days", (10, 0))


def test_a_late_answer_leaves_a_cell_that_another_shard_works_on(project):
    run = make_run(project, examples=1)
    (cell,) = claim(run).cells
    reap_run(run_id=run.id, now=LATER)
    claim(run, token="t2", now=LATER)
    store_answers(run_id=run.id, answers=[answer(cell, text="late")])
    store_answers(run_id=run.id, answers=[answer(cell, token="t2", text="in time")])
    cell.refresh_from_db()
    assert cell.output == "in time"


def test_a_cell_whose_lease_passed_on_is_not_finished_by_its_old_holder(project):
    run = make_run(project, examples=1)
    (cell,) = claim(run).cells
    reap_run(run_id=run.id, now=LATER)
    claim(run, token="t2", now=LATER)
    finish(run, cell)
    assert states(run) == ["leased"]


def test_a_cell_that_keeps_killing_its_worker_fails(project):
    run = make_run(project, examples=1)
    for _ in range(MAX_CLAIMS):
        claim(run)
        reap_run(run_id=run.id, now=LATER)
    cell = run.cells.get()
    assert (cell.state, cell.error_class) == ("failed", "worker_lost")


def test_recorded_cells_are_unique_without_a_prompt_version(project):
    run = make_recorded_run(project, examples=1)
    twin = run.cells.get()
    twin.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save(force_insert=True)


STEPS = st.lists(
    st.tuples(st.sampled_from(["claim", "store", "finish", "return", "reap"]), st.integers(0, 7)),
    max_size=40,
)


class BudgetProperty(TestCase):
    """Whatever shards do in whatever order, what is spent and what is held back stay within the budget."""

    @settings(max_examples=60)
    @given(steps=STEPS, budget=st.integers(0, 80))
    def test_spent_and_reserved_never_pass_the_budget(self, steps, budget):
        project = Project.objects.create(name="P", slug="p")
        run = make_run(project, examples=6, budget_nanos=budget)
        held: list[tuple[str, Cell]] = []
        for number, (step, pick) in enumerate(steps):
            self._take(run, step, pick, number, held)
            run.refresh_from_db()
            assert run.reserved_nanos >= 0
            assert run.spent_nanos + run.reserved_nanos <= budget
        leased = run.cells.filter(state="leased")
        assert sum(leased.values_list("reserved_nanos", flat=True)) == run.reserved_nanos

    def _take(self, run, step, pick, number, held):
        """One step of some shard; each claim costs at most 10, of which 3 are the judge's."""
        if step == "claim":
            token = f"t{number}"
            wanted = {run.deployments.get().pk: 1 + pick % 3}
            claim = claim_cells(
                run_id=run.id,
                wanted=wanted,
                token=token,
                bound=lambda cell: 3 if cell.answered_at else 10,
                now=NOW,
            )
            held += [(token, cell) for cell in claim.cells]
        elif step == "reap":
            reap_run(run_id=run.id, now=LATER)
        elif held:
            token, cell = held[pick % len(held)]
            if step == "store" and not cell.answered_at:
                store_answers(run_id=run.id, answers=[answer(cell, token=token, cost=pick, judge=3)])
                cell.answered_at = NOW
            elif step == "finish" and cell.answered_at:
                finish(run, cell, token=token, cost=pick % 4)
                held.remove((token, cell))
            elif step == "return" and not cell.answered_at:
                return_cells(run_id=run.id, token=token, cell_ids=[cell.pk])
                held.remove((token, cell))

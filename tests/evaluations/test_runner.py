"""Shards against a scripted provider, the simulated AI service and recorded outputs, on a real Redis."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from django.db import connection
from django.utils import timezone

from readiness.evaluations.models import CellState, Run, RunState
from readiness.evaluations.runner import BREAKER, SHARD_TIME, run_shard
from readiness.evaluations.services.cells import LEASE, reap_run, store_answers
from readiness.evaluations.services.runs import pause_run, resume_run, retry_failed
from readiness.lib.events import UsageEvent
from readiness.limits.services import publish_policy
from readiness.projects.models import Allowance
from readiness.providers.models import ProviderAccount
from readiness.providers.registry import ClientPool
from readiness.simulator.app import create_app
from readiness.telemetry.services import write_events
from tests.builders import make_account, make_deployment, make_prompt_version
from tests.evaluations.support import (
    CALL_NANOS,
    NOW,
    SUPPORTED,
    Clock,
    Provider,
    answer,
    claim,
    make_recorded_run,
    make_run,
    priced,
    states,
    work,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Retries without their pauses."""
    monkeypatch.setattr("readiness.inference.dispatch._FIRST_BACKOFF_S", 0.0)


def failing(status: int, **error: str):
    return Provider(lambda body: httpx.Response(status, json={"error": {"message": "No.", **error}}))


def test_every_cell_is_asked_once_scored_and_the_run_is_done(project):
    run = make_run(project, examples=5, deployments=[priced("a"), priced("b")], trials=2)
    provider = Provider()
    end = work(run, provider)
    run.refresh_from_db()
    assert (end.more, end.finished, run.state) == (False, 20, RunState.DONE)
    assert (provider.asked("a"), provider.asked("b")) == (10, 10)
    assert run.spent_nanos == 20 * CALL_NANOS
    assert set(run.cells.values_list("scores__status", flat=True)) == {"ok"}


def test_a_run_with_more_cells_than_slots_finishes(project, monkeypatch):
    monkeypatch.setattr("readiness.evaluations.runner.SLOTS", 4)
    run = make_run(project, examples=15, deployments=[priced("a"), priced("b")])
    assert work(run, Provider()).finished == 30


def test_the_simulated_service_answers_a_run(project):
    account = make_account(base_url="https://sim.example.com/v1", simulated=True)
    run = make_run(project, deployments=[make_deployment(account, model="sim-medium-2026-06")])

    async def go():
        transport = httpx.ASGITransport(app=create_app(speed=float("inf")))
        return await run_shard(run.id, clock=Clock(), clients=ClientPool(transport=transport))

    asyncio.run(go())
    cell = run.cells.first()
    assert "days" in cell.output
    assert (cell.state, cell.model_returned, run.simulated) == ("done", "sim-medium-2026-06", True)


def test_recorded_outputs_are_scored_without_a_call(project):
    run = make_recorded_run(project)
    provider = Provider()
    work(run, provider)
    first = run.cells.get(example__position=0)
    assert provider.calls == []
    assert (first.output, first.human_label, first.latency_ms) == ("10 days", True, None)
    assert set(first.scores.values_list("scorer", "value")) == {("contains", 1.0), ("token_f1", 1.0)}


def test_an_example_without_a_recorded_output_fails_its_cell_alone(project):
    run = make_recorded_run(project, examples=3, missing=1)
    work(run, Provider())
    assert states(run) == ["done", "done", "failed"]
    assert "no recorded output" in run.cells.get(state="failed").error_message


def test_an_answer_that_cannot_be_scored_abstains(project):
    run = make_run(project, examples=1)
    run.dataset_version.examples.update(reference="")
    work(run, Provider())
    assert run.cells.values_list("state", "scores__status", "scores__value").get() == (
        "done",
        "abstain",
        None,
    )


def test_the_judge_is_asked_for_each_answer_and_paid_from_the_budget(project):
    run = make_run(
        project, examples=2, scorers=["contains", "judge"], judge=priced("judge"), budget_nanos=10**9
    )
    work(run, Provider(lambda body: SUPPORTED if body["model"] == "judge" else "10 days"))
    run.refresh_from_db()
    assert (run.spent_nanos, run.judge_spent_nanos) == (4 * CALL_NANOS, 2 * CALL_NANOS)
    assert run.reserved_nanos == 0


def test_an_answer_is_not_paid_again_when_only_its_judge_failed(project):
    run = make_run(project, examples=1, scorers=["judge"], judge=priced("judge"))
    broken = Provider(lambda body: "10 days" if body["model"] == "writer" else httpx.Response(400, json={}))
    work(run, broken)
    assert states(run) == ["failed"]
    retry_failed(run_id=run.id)
    provider = Provider(lambda body: SUPPORTED)
    work(run, provider)
    assert states(run) == ["done"]
    assert (broken.asked("writer"), provider.asked("writer")) == (1, 0)


def test_an_answered_cell_of_a_dead_worker_is_scored_and_not_asked_again(project):
    run = make_run(project, examples=1)
    (cell,) = claim(run).cells
    store_answers(run_id=run.id, answers=[answer(cell)])
    reap_run(run_id=run.id, now=NOW + LEASE + timedelta(seconds=1))
    provider = Provider()
    work(run, provider)
    assert provider.calls == []
    assert run.cells.get().scores.get().value == 1.0


def test_a_run_stops_before_a_call_that_could_pass_the_budget(project):
    prompt = make_prompt_version(project)
    run = make_run(project, examples=40, prompt_version=prompt, budget_nanos=1_000_000)
    work(run, Provider())
    run.refresh_from_db()
    done = run.cells.filter(state="done").count()
    assert run.state == RunState.BUDGET_STOPPED
    assert run.spent_nanos == done * CALL_NANOS <= 1_000_000
    assert done >= 6


def test_more_budget_lets_a_stopped_run_go_on_to_its_end(project):
    run = make_run(project, examples=20, budget_nanos=1_000_000)
    work(run, Provider())
    assert resume_run(run_id=run.id, extra_budget_nanos=10**9)
    work(run, Provider())
    run.refresh_from_db()
    assert (run.state, run.budget_nanos) == (RunState.DONE, 10**9 + 1_000_000)


def test_no_credit_left_pauses_the_run_and_keeps_the_cell_to_be_done(project):
    run = make_run(project, examples=1)
    work(run, failing(429, code="insufficient_quota"))
    run.refresh_from_db()
    assert (run.state, states(run)) == (RunState.PAUSED, ["pending"])
    assert "credit" in run.state_reason


def test_a_spent_budget_pauses_the_run_and_says_when_it_begins_anew(project):
    run = make_run(project, examples=3)
    Allowance.objects.create(project=project, kind="all", usd_per_day=Decimal("0.01"))
    publish_policy()
    spent = UsageEvent(event_id="e", request_id="r", project_id=project.pk, outcome="ok", cost_nanos=10**9)
    write_events([replace(spent, at_ms=round(time.time() * 1000))])
    provider = Provider()
    work(run, provider)
    run.refresh_from_db()
    assert (run.state, set(states(run)), provider.calls) == (RunState.PAUSED, {"pending"}, [])
    assert "begins anew in" in run.state_reason


def test_calls_that_are_turned_away_in_a_row_pause_the_run(project):
    run = make_run(project, examples=80)
    provider = failing(401)
    work(run, provider)
    run.refresh_from_db()
    assert run.state == RunState.PAUSED
    assert str(BREAKER) in run.state_reason
    assert CellState.PENDING in states(run)


def test_a_wrong_key_of_one_deployment_is_seen_beside_the_answers_of_another(project):
    run = make_run(project, examples=60, deployments=[priced("good"), priced("bad")])
    work(run, Provider(lambda body: "ok" if body["model"] == "good" else httpx.Response(401, json={})))
    run.refresh_from_db()
    assert run.state == RunState.PAUSED


def test_a_request_that_no_quota_can_hold_fails_its_cell(project):
    run = make_run(project, examples=1, deployments=[priced(tpm=10)])
    work(run, Provider())
    assert run.cells.get().error_class == "too_large"


def test_a_prompt_that_cannot_be_rendered_fails_its_cells_and_asks_nobody(project):
    broken = make_prompt_version(project, user="{{ question[0] + 1 }}")
    run = make_run(project, prompt_version=broken)
    provider = Provider()
    work(run, provider)
    run.refresh_from_db()
    assert (run.state, set(states(run)), provider.calls) == (RunState.DONE, {"failed"}, [])
    assert run.cells.first().error_class == "prompt"


def test_a_key_that_cannot_be_read_pauses_the_run_with_the_reason(project):
    run = make_run(project)
    ProviderAccount.objects.update(credential_encrypted=b"not of this installation")
    assert work(run, Provider()).more is False
    run.refresh_from_db()
    assert (run.state, bool(run.state_reason)) == (RunState.PAUSED, True)


def test_a_scorer_that_is_gone_fails_the_run_with_the_reason(project):
    run = make_run(project)
    Run.objects.update(scorers=["bleurt"])
    work(run, Provider())
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "bleurt" in run.state_reason


def test_a_model_that_was_taken_from_the_run_fails_it_with_the_reason(project):
    run = make_run(project)
    run.deployments.clear()
    work(run, Provider())
    run.refresh_from_db()
    assert (run.state, run.state_reason) == (RunState.FAILED, "A model of this run was deleted.")


def test_a_pause_lets_calls_in_flight_end_and_claims_no_more(project, monkeypatch):
    monkeypatch.setattr("readiness.evaluations.runner.SLOTS", 4)
    run = make_run(project, examples=40)

    def pause(body):
        pause_in_a_thread_of_its_own(run)
        return "10 days"

    work(run, Provider(pause))
    run.refresh_from_db()
    assert run.state == RunState.PAUSED
    assert CellState.LEASED not in states(run)
    assert 0 < states(run).count("done") < 40
    assert resume_run(run_id=run.id)
    work(run, Provider())
    assert set(states(run)) == {"done"}


def pause_in_a_thread_of_its_own(run):
    """Like another process: the event loop's own thread must not touch the database."""

    def pause():
        pause_run(run_id=run.id, reason="Paused by bob.")
        connection.close()

    thread = threading.Thread(target=pause)
    thread.start()
    thread.join()


def test_a_shard_whose_time_is_over_hands_over(project, monkeypatch):
    monkeypatch.setattr("readiness.evaluations.runner.SLOTS", 4)
    run, clock = make_run(project, examples=20), Clock()

    def slow(body):
        clock.now = NOW + SHARD_TIME
        return "10 days"

    end = work(run, Provider(slow), clock=clock)
    assert end.more
    assert 0 < end.finished < 20
    assert CellState.LEASED not in states(run)


def test_two_shards_share_a_run_and_nothing_is_asked_twice(project):
    run = make_run(project, examples=40)
    provider = Provider()

    async def both():
        pools = [ClientPool(transport=httpx.MockTransport(provider)) for _ in range(2)]
        await asyncio.gather(*(run_shard(run.id, clock=Clock(), clients=pool) for pool in pools))

    asyncio.run(both())
    assert len(provider.calls) == 40
    assert set(states(run)) == {"done"}


def test_a_cancelled_shard_ends_its_calls_and_another_finishes_the_run(project):
    run = make_run(project, examples=3)
    asked = asyncio.Event()

    async def hang(scope, receive, send):
        asked.set()
        await asyncio.sleep(60)

    async def cancel_midway():
        pool = ClientPool(transport=httpx.ASGITransport(app=hang))
        shard = asyncio.create_task(run_shard(run.id, clock=Clock(), clients=pool))
        await asked.wait()
        shard.cancel()
        with pytest.raises(asyncio.CancelledError):
            await shard
        return [task for task in asyncio.all_tasks() if "_run_cell" in repr(task)]

    assert asyncio.run(cancel_midway()) == []
    assert set(states(run)) == {"leased"}
    reap_run(run_id=run.id, now=NOW + LEASE + timedelta(seconds=1))
    work(run, Provider())
    assert set(states(run)) == {"done"}


def test_a_lost_answer_store_ends_the_shard_loudly(project):
    run = make_run(project, examples=1)

    def close_the_door(body):
        delete_in_a_thread(run)
        return "10 days"

    with pytest.raises(Run.DoesNotExist):
        work(run, Provider(close_the_door))


def delete_in_a_thread(run):
    def delete():
        Run.objects.filter(pk=run.pk).delete()
        connection.close()

    thread = threading.Thread(target=delete)
    thread.start()
    thread.join()


def test_a_call_that_would_wait_beyond_the_shards_end_goes_back(project):
    provider, deployment = Provider(), priced(rpm=1)
    work(make_run(project, examples=1, deployments=[deployment]), provider)  # the minute's only request
    run = make_run(project, examples=1, deployments=[deployment])
    times = iter([NOW, NOW])  # the plan, the shard's beginning
    almost_over = NOW + SHARD_TIME - timedelta(seconds=1)
    end = work(run, provider, clock=lambda: next(times, almost_over))
    assert (end.more, states(run), len(provider.calls)) == (False, ["pending"], 1)


def test_a_killed_worker_loses_no_answer_and_its_run_finishes_once(project):
    run = make_run(project, examples=4, budget_nanos=10**9)
    command = [sys.executable, "-m", "tests.evaluations.killed_worker"]
    database = str(connection.settings_dict["NAME"])
    worker = subprocess.Popen([*command, database, str(run.id)], stdout=subprocess.PIPE, text=True)
    with worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "hanging\n"
        worker.send_signal(signal.SIGKILL)
    assert sorted(states(run)) == ["done", "done", "leased", "leased"]
    assert reap_run(run_id=run.id, now=timezone.now() + LEASE) == 2

    provider = Provider(lambda body: "from the next worker")
    work(run, provider)
    run.refresh_from_db()
    outputs = sorted(run.cells.values_list("output", flat=True))
    assert outputs == ["from the killed worker"] * 2 + ["from the next worker"] * 2
    assert (len(provider.calls), run.state) == (2, RunState.DONE)
    lost = sum(run.cells.values_list("lost_nanos", flat=True))
    assert lost > 0
    assert (run.spent_nanos, run.reserved_nanos) == (4 * CALL_NANOS + lost, 0)

"""Cells: claimed by lease under the run's budget, stored before they are settled, freed when a worker dies.

Every function that touches money locks the run's row first, so that spent + reserved never passes the budget
whatever the number of workers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Sum

from readiness.evaluations.models import Cell, CellScore, CellState, Run, RunState
from readiness.evaluations.services.runs import ACTIVE

LEASE = timedelta(seconds=30)
"""A killed worker's cells are free again after this long."""

MAX_CLAIMS = 5
"""A cell whose worker died this often fails: it may be what kills them."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a shard got. ``open`` is False when the run takes no more claims."""

    cells: Sequence[Cell]
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a cell's call brought, ready to be stored."""

    cell_id: int
    token: str
    request_id: str
    output: str
    model_returned: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost_nanos: int
    latency_ms: int | None
    ttft_ms: int | None
    queue_ms: int
    human_label: bool | None
    still_reserved_nanos: int
    """What the cell can still cost: its judge's call."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a cell ended: with scores, or with an error."""

    cell_id: int
    token: str
    at: datetime
    scores: Sequence[CellScore] = field(default_factory=list)
    error_class: str = ""
    error_message: str = ""


@transaction.atomic
def claim_cells(
    *,
    run_id: UUID,
    wanted: Mapping[int, int],
    token: str,
    bound: Callable[[Cell], int],
    now: datetime,
) -> Claim:
    """Leases up to ``wanted[deployment_id]`` pending cells of each deployment.

    ``bound(cell)`` is the most that the cell can cost in nano-dollars; it is reserved from the budget. When
    the next cell does not fit and nothing is in flight that could free a reservation, the run stops at its
    budget.
    """
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.state not in ACTIVE:
        return Claim([], open=False)
    pending = [cell for d, limit in wanted.items() if limit > 0 for cell in _pending(run, d, limit)]
    # In the order of creation, so that a budget that ends stops all deployments at the same example.
    candidates = sorted(pending, key=lambda cell: cell.pk)
    claimed, reserved = _affordable(run, candidates, bound)
    for cell in claimed:
        cell.state, cell.lease_token, cell.leased_until = CellState.LEASED, token, now + LEASE
        cell.claims += 1
    Cell.objects.bulk_update(claimed, ["state", "lease_token", "leased_until", "claims", "reserved_nanos"])
    run.reserved_nanos += reserved
    if candidates and not claimed and not run.cells.filter(state=CellState.LEASED).exists():
        run.state = RunState.BUDGET_STOPPED
        run.state_reason = "The next call could cost more than what is left of the budget."
    elif run.state == RunState.QUEUED:
        run.state, run.started_at = RunState.RUNNING, run.started_at or now
    run.save(update_fields=["state", "state_reason", "started_at", "reserved_nanos"])
    return Claim(claimed, open=run.state in ACTIVE)


def _pending(run: Run, deployment_id: int, limit: int) -> Iterable[Cell]:
    return (
        run.cells.filter(state=CellState.PENDING, deployment_id=deployment_id)
        .select_related("example")
        .order_by("id")[:limit]
    )


def _affordable(run: Run, candidates: Iterable[Cell], bound: Callable[[Cell], int]) -> tuple[list[Cell], int]:
    """The candidates that fit what is left of the budget, with their reservations summed."""
    left = None if run.budget_nanos is None else run.budget_nanos - run.spent_nanos - run.reserved_nanos
    claimed: list[Cell] = []
    reserved = 0
    for cell in candidates:
        cell.reserved_nanos = bound(cell)
        if left is not None and reserved + cell.reserved_nanos > left:
            break
        reserved += cell.reserved_nanos
        claimed.append(cell)
    return claimed, reserved


def renew_leases(*, token: str, now: datetime) -> int:
    """Extends all leases of one shard; returns how many it still holds."""
    return Cell.objects.filter(lease_token=token, state=CellState.LEASED).update(leased_until=now + LEASE)


@transaction.atomic
def store_answers(*, run_id: UUID, answers: Sequence[Answer]) -> None:
    """Keeps answers that were paid for, in one transaction; called before their permits are settled.

    An answer's cost takes the place of its reservation. An answer whose lease was lost meanwhile is kept as
    long as nobody else works on its cell; what the reaper has counted for it is not counted again.
    """
    Run.objects.select_for_update().get(pk=run_id)
    cells = Cell.objects.in_bulk([answer.cell_id for answer in answers])
    spent = released = 0
    for answer in answers:
        cell = cells[answer.cell_id]
        if cell.state == CellState.LEASED and cell.lease_token == answer.token:
            spent += answer.cost_nanos
            released += max(0, cell.reserved_nanos - answer.still_reserved_nanos)
            _store(cell, answer, reserved_nanos=min(cell.reserved_nanos, answer.still_reserved_nanos))
        else:
            spent += max(0, answer.cost_nanos - cell.lost_nanos)
            if cell.state == CellState.PENDING and cell.answered_at is None:
                _store(cell, answer, reserved_nanos=0)
    Run.objects.filter(pk=run_id).update(
        spent_nanos=F("spent_nanos") + spent, reserved_nanos=F("reserved_nanos") - released
    )


def _store(cell: Cell, answer: Answer, *, reserved_nanos: int) -> None:
    Cell.objects.filter(pk=cell.pk).update(
        request_id=answer.request_id,
        output=answer.output,
        model_returned=answer.model_returned,
        finish_reason=answer.finish_reason,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cost_nanos=answer.cost_nanos,
        latency_ms=answer.latency_ms,
        ttft_ms=answer.ttft_ms,
        queue_ms=answer.queue_ms,
        human_label=answer.human_label,
        answered_at=answer.at,
        reserved_nanos=reserved_nanos,
    )


@transaction.atomic
def finish_cells(*, run_id: UUID, outcomes: Sequence[Outcome]) -> None:
    """Ends cells with their scores or errors and gives their reservations back.

    A cell whose lease passed to another shard is left to that shard.
    """
    Run.objects.select_for_update().get(pk=run_id)
    tokens = {outcome.cell_id: outcome.token for outcome in outcomes}
    held = {
        cell.pk: cell
        for cell in Cell.objects.filter(pk__in=tokens, state=CellState.LEASED)
        if cell.lease_token == tokens[cell.pk]
    }
    own = [outcome for outcome in outcomes if outcome.cell_id in held]
    for outcome in own:
        cell = held[outcome.cell_id]
        cell.state = CellState.FAILED if outcome.error_class else CellState.DONE
        cell.error_class, cell.error_message = outcome.error_class, outcome.error_message[:500]
        cell.finished_at, cell.lease_token = outcome.at, ""
    released = sum(cell.reserved_nanos for cell in held.values())
    judged = _store_scores(own)
    Cell.objects.bulk_update(
        held.values(), ["state", "error_class", "error_message", "finished_at", "lease_token"]
    )
    Run.objects.filter(pk=run_id).update(
        reserved_nanos=F("reserved_nanos") - released,
        spent_nanos=F("spent_nanos") + judged,
        judge_spent_nanos=F("judge_spent_nanos") + judged,
    )


def _store_scores(outcomes: Iterable[Outcome]) -> int:
    """Writes the scores; returns what the judge's cost."""
    scores = [score for outcome in outcomes for score in outcome.scores]
    CellScore.objects.bulk_create(
        scores,
        update_conflicts=True,
        unique_fields=["cell", "scorer"],
        update_fields=["scorer_version", "status", "value", "label", "spans", "explanation", "cost_nanos"],
    )
    return sum(score.cost_nanos for score in scores)


@transaction.atomic
def return_cells(*, run_id: UUID, token: str, cell_ids: Sequence[int]) -> None:
    """Puts leased cells back to pending without a result: their call was refused, or the shard stops."""
    Run.objects.select_for_update().get(pk=run_id)
    held = Cell.objects.filter(pk__in=cell_ids, lease_token=token, state=CellState.LEASED)
    released = held.aggregate(nanos=Sum("reserved_nanos"))["nanos"] or 0
    held.update(
        state=CellState.PENDING,
        lease_token="",
        leased_until=None,
        reserved_nanos=0,
        claims=F("claims") - 1,
    )
    Run.objects.filter(pk=run_id).update(reserved_nanos=F("reserved_nanos") - released)


@transaction.atomic
def reap_run(*, run_id: UUID, now: datetime) -> int:
    """Frees the cells whose lease ran out; returns how many.

    Nobody knows whether their calls were charged, so what was reserved counts as spent: a hard budget must
    hold even when a worker dies again and again. A cell that has cost too many workers fails.
    """
    Run.objects.select_for_update().get(pk=run_id)
    # The rows are locked and named once: a lease that is renewed in this moment must not be counted twice.
    rows = list(
        Cell.objects.select_for_update()
        .filter(run_id=run_id, state=CellState.LEASED, leased_until__lt=now)
        .values_list("pk", "reserved_nanos")
    )
    expired = Cell.objects.filter(pk__in=[pk for pk, _ in rows], state=CellState.LEASED)
    reserved = sum(nanos for _, nanos in rows)
    free: dict[str, Any] = {
        "lost_nanos": F("lost_nanos") + F("reserved_nanos"),
        "reserved_nanos": 0,
        "lease_token": "",
        "leased_until": None,
    }
    failed = expired.filter(claims__gte=MAX_CLAIMS).update(
        state=CellState.FAILED,
        error_class="worker_lost",
        error_message=f"The worker stopped {MAX_CLAIMS} times while it worked on this call.",
        finished_at=now,
        **free,
    )
    freed = expired.update(state=CellState.PENDING, **free)
    Run.objects.filter(pk=run_id).update(
        reserved_nanos=F("reserved_nanos") - reserved, spent_nanos=F("spent_nanos") + reserved
    )
    return failed + freed

"""The demo's calls: two benchmark runs, customers' questions, and the spot-checks of their answers.

All of them go through the one door to the simulated AI service at its own speed. Nothing is written down that
did not happen, and nothing is moved in time.
"""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from django.utils import timezone

from readiness.demo import content
from readiness.demo.content import Question
from readiness.demo.setup import Demo
from readiness.demo.traffic import Product, ask_all, product_of
from readiness.evaluations.models import Run, RunState
from readiness.evaluations.runner import run_shard
from readiness.evaluations.services.runs import start_run
from readiness.inference.dispatch import open_door
from readiness.lib.money import NANOS_PER_USD
from readiness.quality.runner import run_checks
from readiness.quality.services.sampling import SETTLE, sample_answers

OFFLINE_SCORERS: Final = ("unsupported_details", "token_f1", "unsupported_words")
"""The results by stratum show the first."""
CUSTOMERS_AT_ONCE: Final = 8
CHECKERS: Final = 2
"""Rounds of spot-checks side by side; each has eight answers in hand."""
_SEED: Final = 1
"""Which questions the customers ask: the same ones in every seeding."""


class SeedingError(Exception):
    """The calls did not end as they should; ``str(error)`` says why."""


def measure(demo: Demo, *, answers: int) -> None:
    """Makes every call that an earlier, interrupted seeding has not made. Raises SeedingError."""
    product = product_of(demo.project, timezone.now())
    assert product is not None
    pilot, comparison = _pilot(demo), _comparison(demo)
    asyncio.run(_ask_and_compare(product, _unasked(demo, answers), pilot))
    # The answers are all in, so nothing is on its way with a smaller id and the sampling need not wait.
    sample_answers(project=demo.project, now=timezone.now() + SETTLE, seed=_SEED)
    asyncio.run(_check_and_compare(demo.project.pk, comparison))


def _pilot(demo: Demo) -> UUID:
    return start_run(
        project=demo.project,
        name="Pilot with a judge",
        dataset_version=demo.pilot,
        deployments=demo.compared,
        prompt_version=demo.prompts[0],
        scorers=("judge", *OFFLINE_SCORERS),
        judge=demo.deployments[content.JUDGE],
        budget_nanos=NANOS_PER_USD,
        by=demo.people[content.MEMBER],
        run_id=_run_id(demo, "pilot"),
    ).pk


def _comparison(demo: Demo) -> UUID:
    return start_run(
        project=demo.project,
        name="Three models on the handbook",
        dataset_version=demo.compared_on,
        deployments=demo.compared,
        prompt_version=demo.prompts[-1],
        scorers=OFFLINE_SCORERS,
        budget_nanos=2 * NANOS_PER_USD,
        by=demo.people[content.MEMBER],
        run_id=_run_id(demo, "comparison"),
    ).pk


def _run_id(demo: Demo, name: str) -> UUID:
    """The same at every seeding of a project, so that a run is started once."""
    return uuid5(NAMESPACE_OID, f"readiness demo {demo.project.created_at.isoformat()} {name}")


def _unasked(demo: Demo, answers: int) -> list[Question]:
    chosen = Random(_SEED).sample(content.questions(), answers)  # noqa: S311
    asked = set(demo.project.logged_answers.values_list("question", flat=True))
    return [question for question in chosen if question.question not in asked]


async def _ask_and_compare(product: Product, asked: Sequence[Question], run_id: UUID) -> None:
    async def ask() -> None:
        async with open_door() as door:
            failures = await ask_all(
                door,
                product,
                asked,
                random=Random(_SEED),  # noqa: S311
                at_once=CUSTOMERS_AT_ONCE,
                clock=timezone.now,
            )
        if failures:
            raise SeedingError(f"{len(failures)} questions were not answered: {failures[0]}")

    await asyncio.gather(ask(), _finish(run_id))


async def _check_and_compare(project_id: int, run_id: UUID) -> None:
    async with open_door() as door:
        checkers = [run_checks(project_id, door=door, clock=timezone.now) for _ in range(CHECKERS)]
        await asyncio.gather(_finish(run_id), *checkers)


async def _finish(run_id: UUID) -> None:
    """Works on a run until it is over. Raises SeedingError when it stops before."""
    more = True
    while more:
        more = (await run_shard(run_id, clock=timezone.now)).more
    run = await Run.objects.aget(pk=run_id)
    if run.state != RunState.DONE:
        raise SeedingError(f"The run “{run.name}” did not end: {run.state_reason or run.get_state_display()}")

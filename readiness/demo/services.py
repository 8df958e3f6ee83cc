"""Seeding the demo, and a little traffic that keeps it alive."""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Final

import redis
from django.conf import settings
from django.utils import timezone

from readiness.accounts.queries import audit_entries
from readiness.accounts.services import record_audit
from readiness.checklist.catalogue import current
from readiness.checklist.services import attest, comment, gather_evidence
from readiness.demo import content, simulated
from readiness.demo.measuring import SeedingError, measure
from readiness.demo.reviewing import decide_some
from readiness.demo.setup import Demo, set_policy, set_up
from readiness.demo.traffic import Failure, Product, ask_all
from readiness.inference.dispatch import open_door
from readiness.lib.redis import sync_redis
from readiness.limits.upstreams import sweep
from readiness.telemetry.recorder import Recorder

SEEDED: Final = "demo seeded"
"""Action of the audit entry that the seeding ends with: it is done once in the life of a site."""

MOST_CUSTOMERS: Final = 5
"""Customers who ask in one round of the trickle, at most."""


class NotSeededError(Exception):
    """The demo cannot be seeded; ``str(error)`` says what to do."""


def seed(size: content.Size = content.FULL) -> bool:
    """Makes the demo project with everything in it; False when that was done before. Raises NotSeededError.

    Steps: the rows, the calls, a few verdicts, the records, the evidence. A seeding that is cut short
    goes on at the next call: each step finds what is there.
    """
    if is_seeded():
        return False
    _require_password_and_redis()
    try:
        with simulated.running_service():
            demo = set_up(size=size, profiles=simulated.profiles(), now=timezone.now())
            set_policy(demo, share=1.0)
            measure(demo, answers=size.answers)
            decide_some(
                project=demo.project,
                reviewer=demo.people[content.REVIEWER],
                alterations=simulated.alterations(),
            )
    except (simulated.NoServiceError, SeedingError) as error:
        raise NotSeededError(str(error)) from error
    set_policy(demo, share=content.CHECKED_SHARE)
    _record_usage()
    sweep()  # as the scheduler does each minute: the queue's depth has a history from the start
    gather_evidence(demo.project, timezone.now())
    _explain(demo)
    return True


def is_seeded() -> bool:
    """Whether the demo was seeded; it is not seeded again when people have changed or removed it since."""
    return audit_entries(kind="project").filter(action=SEEDED).exists()


def _require_password_and_redis() -> None:
    if not settings.DEMO_PASSWORD:
        raise NotSeededError(
            "READINESS_DEMO_PASSWORD is not set, so nobody could sign in to the demo. Set it in .env."
        )
    try:
        sync_redis().ping()
    except redis.RedisError as error:
        raise NotSeededError(
            "Redis does not answer at REDIS_URL, and the demo's calls need it. Start Redis, then try again."
        ) from error


def _record_usage() -> None:
    """Writes the records of all calls: at this time no recorder need be running yet."""
    recorder = Recorder(sync_redis())
    while recorder.record_once(block_ms=1):
        pass


def _explain(demo: Demo) -> None:
    """What a newcomer would wonder about, said where they would, and the mark that the demo is complete."""
    owner, member = demo.people[content.OWNER], demo.people[content.MEMBER]
    criteria = {criterion.id: criterion for criterion in current().criteria}
    now = timezone.now()
    attest(actor=owner, project=demo.project, criterion=criteria["M8"], note=content.RIGHTS_NOTE, now=now)
    for criterion_id, text in content.COMMENTS.items():
        comment(actor=member, project=demo.project, criterion=criteria[criterion_id], text=text)
    record_audit(
        actor=demo.people[content.SITE_ADMIN],
        action=SEEDED,
        object_type="project",
        object_id=demo.project.pk,
        object_label=demo.project.name,
        project_slug=demo.project.slug,
    )


async def ask_a_few(product: Product, *, random: Random, clock: Callable[[], datetime]) -> list[Failure]:
    """One to five customers ask questions of the handbook, at once; returns what went wrong."""
    asked = random.sample(content.questions(), random.randint(1, MOST_CUSTOMERS))
    async with open_door() as door:
        return await ask_all(door, product, asked, random=random, at_once=MOST_CUSTOMERS, clock=clock)

"""Stages in this process's own database and Redis."""

from secrets import token_hex
from typing import Any

from readiness.operations.drills.base import Drill
from readiness.operations.drills.stage import Stage, set_up


async def stage_of(drill: Drill, **values: Any) -> Stage:
    """Set up for a rehearsal of the drill."""
    return await set_up(
        drill.name,
        drill.profile(),
        drill.quota,
        model=f"drill-test-{token_hex(4)}",
        quick=True,
        tell=lambda _: None,
        **values,
    )


async def rehearse(drill: Drill, **values: Any) -> Stage:
    """The stage after the drill was held on it."""
    stage = await stage_of(drill, **values)
    await drill.run(stage)
    await stage.read_incidents()
    return stage


def unmet(stage: Stage, *keys: str) -> list[str]:
    """Which of the named expectations were not met; how fast things went is not asked in tests."""
    found = {finding.key: finding for finding in stage.findings}
    return [f"{key}: {found[key].measured_words}" for key in keys if not found[key].met]

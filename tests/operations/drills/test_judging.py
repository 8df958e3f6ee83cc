"""What drills make of calls whose ends are made up: each expectation can be missed."""

from typing import Any

from readiness.inference.dispatch import Call
from readiness.lib.events import Purpose
from readiness.operations.drills.faults import Halved, RetryAfter
from readiness.operations.drills.load import End, Ending, Load
from readiness.operations.drills.probes import Contention, Overload
from readiness.operations.drills.stage import Stage
from readiness.projects.models import Tier

PRO, FREE = Tier(slug="pro", name="Pro", weight=4), Tier(slug="free", name="Free", weight=1)


class _Ledger:
    """A provider that refused so many calls."""

    def __init__(self, quota_429: int) -> None:
        self._quota_429 = quota_429

    async def ledger(self) -> dict[str, int]:
        return {"quota_429": self._quota_429}


def a_stage(refusals: int = 0) -> Stage:
    nothing: Any = None
    model: Any = _Ledger(refusals)
    return Stage(
        model=model, project=nothing, deployment=nothing, spec=nothing, quick=True, tell=lambda _: None
    )


def ends(count: int, tier: Tier = PRO, *, seconds: float = 1.0, **values: Any) -> list[End]:
    """Calls that were answered after a second in the queue, unless said otherwise."""
    nothing: Any = None
    call = Call(
        spec=nothing,
        messages=(),
        max_tokens=1,
        project_id=1,
        tier=tier.slug,
        tenant="t",
        purpose=Purpose.APP,
        longest_wait_s=10.0,
    )
    fields: dict[str, Any] = {"ending": Ending.ANSWERED, "queue_s": seconds, "sent": seconds}
    return [End(call=call, started=0.0, ended=seconds, **(fields | values)) for _ in range(count)]


def refused(count: int, tier: Tier = PRO, *, reason: str = "too_long", **values: Any) -> list[End]:
    told = {"ending": Ending.REFUSED, "reason": reason, "retry_after_s": 1.0}
    return ends(count, tier, **(told | values))


def lost(count: int, tier: Tier = PRO, **values: Any) -> list[End]:
    return ends(count, tier, ending=Ending.LOST, **values)


def load_of(*groups: list[End]) -> Load:
    nothing: Any = None
    load = Load(nothing)
    load.ends = [end for group in groups for end in group]
    return load


def missed(stage: Stage) -> set[str]:
    """Keys of what was expected and not found."""
    return {finding.key for finding in stage.findings if finding.met is False}


async def overload(*groups: list[End], refusals: int = 0) -> set[str]:
    stage = a_stage(refusals)
    await Overload()._judge(stage, load_of(*groups), [PRO, FREE], known=0.0)
    return missed(stage)


async def test_overload_that_is_refused_politely_meets_everything() -> None:
    assert await overload(ends(20), ends(9, FREE, seconds=9.0), refused(40, FREE)) == set()


async def test_overload_misses_what_went_wrong() -> None:
    served, overflow = ends(20), refused(40, FREE)

    assert await overload(served, ends(1, FREE, seconds=10.5), overflow) == {"wait"}
    assert await overload(served, ends(1, FREE)) == {"overflowing", "overflow"}
    late = refused(40, FREE, reason="timed_out")
    assert await overload(served, late, overflow) == {"overflow"}
    assert await overload(served, refused(40, FREE, retry_after_s=0.0)) == {"overflow"}
    assert await overload(served, overflow, refusals=1) == {"refusals"}
    assert await overload(served, overflow, ends(1, ending=Ending.CRASHED)) == {"crashes"}


async def test_calls_that_are_lost_in_the_queue_have_waited() -> None:
    assert await overload(ends(20), lost(9, FREE, seconds=25.0), refused(40, FREE)) == {"lost", "wait"}


async def contention(*groups: list[End], refusals: int = 0) -> set[str]:
    stage = a_stage(refusals)
    await Contention()._judge(stage, load_of(*groups), PRO, FREE, ends_at=60.0)
    return missed(stage)


async def test_contention_that_the_top_tier_wins_meets_everything() -> None:
    assert await contention(ends(90), ends(10, FREE, seconds=8.0)) == set()


async def test_contention_misses_what_went_wrong() -> None:
    waited = ends(10, FREE, seconds=8.0)

    assert await contention(ends(90, seconds=5.0), waited) == {"wait_ratio"}
    assert await contention(ends(300), waited) == {"bottom_share"}
    assert await contention(ends(90), waited, refusals=1) == {"refusals"}
    assert await contention(ends(90), ends(10, FREE, seconds=61.0)) == {"bottom_share"}


async def test_top_tier_that_is_turned_away_is_not_first() -> None:
    waited = ends(10, FREE, seconds=8.0)

    assert await contention(refused(90), waited) == {"answered_top"}
    assert await contention(ends(40), refused(41), waited) == {"answered_top"}


async def test_call_before_the_end_of_a_pause_is_early() -> None:
    async def found(*groups: list[End]) -> set[str]:
        stage = a_stage()
        RetryAfter()._judge(stage, load_of(*groups), ends_at=60.0)
        return missed(stage)

    assert await found(ends(9, seconds=60.5)) == set()
    assert await found(ends(9, seconds=60.5), ends(1, seconds=59.0)) == {"early"}
    assert await found(ends(9, seconds=63.0)) == {"resumed"}
    assert await found(ends(9, seconds=60.5), refused(1)) == {"answered"}


async def test_halved_quota_that_is_not_used_is_noticed() -> None:
    async def found(calls: int, refusals: int = 0) -> set[str]:
        stage = a_stage(refusals)
        await Halved()._judge(stage, load_of(ends(calls, seconds=3.0)), began=0.0, watch_s=4.0)
        return missed(stage)

    assert await found(20) == set()  # ten a second in the second half
    assert await found(17) == {"used"}
    assert await found(20, refusals=21) == {"refusals"}

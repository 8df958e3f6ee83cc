"""What a process admits by itself while Redis is away, on an event loop whose clock the timers move."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from readiness.lib.events import UsageEvent
from readiness.limits.alone import GRACE_NANOS, Alone, Window
from readiness.limits.tickets import Cost, ProviderWord, Ticket
from readiness.providers.base import Accounting, Quota
from tests.limits.virtual_loop import run

RPM_120 = Quota(rpm=120)
"""Half of it for a process alone: one call a second."""
NOTHING_SAID = ProviderWord()

_numbers = count()


def ticket(
    quota: Quota = RPM_120,
    *,
    upstream: str = "d1",
    account_quota: Quota | None = None,
    tier: str = "free",
    cost: Cost | None = None,
    nanos: int = 0,
    patient: bool = False,
) -> Ticket:
    name = f"t{next(_numbers)}"
    return Ticket(
        id=name,
        upstream=upstream,
        quota=quota,
        account="a1",
        account_quota=account_quota,
        tier=tier,
        tenant="t",
        cost=cost or Cost(tokens=1),
        event=UsageEvent(event_id=name, request_id=name, cost_nanos=nanos),
        patient=patient,
    )


def alone(processes: int | None = 1) -> Alone:
    """A process that knew of so many, and of the tiers' weights, when Redis goes away."""
    found = Alone()
    found.processes, found.weights = processes, {"pro": 4, "free": 1}
    found.redis_is_gone()
    return found


async def times(by: Alone, tickets: list[Ticket], until: float = 3600) -> list[float | None]:
    """When each was admitted, in seconds; None for those that were not."""

    async def admitted(asked: Ticket) -> float | None:
        try:
            assert await by.admits(asked, until=until)
        except TimeoutError:
            return None
        return asyncio.get_running_loop().time()

    return await asyncio.gather(*map(admitted, tickets))


def fault(tickets: list[Ticket], *, processes: int | None = 1, until: float = 3600) -> list[float | None]:
    """When each was admitted that asked as the fault began."""

    async def ask() -> list[float | None]:
        return await times(alone(processes), tickets, until)

    return run(ask())


@pytest.mark.parametrize(("processes", "expected"), [(1, [1, 2, 3, 4]), (4, [4, 8, 12, 16])])
def test_calls_are_paced_at_half_the_quota_divided_by_the_processes(
    processes: int, expected: list[float]
) -> None:
    assert fault([ticket() for _ in range(4)], processes=processes) == pytest.approx(expected)


def test_full_window_is_waited_for() -> None:
    async def play() -> list[float | None]:
        by = alone()
        by.windows["d1"] = Window(left=0.0, full_until=30.0)
        return await times(by, [ticket() for _ in range(2)])

    assert run(play()) == [31, 32]


def test_window_gives_no_more_than_it_had_left() -> None:
    async def play() -> list[float | None]:
        by = alone()
        by.windows["d1"] = Window(left=0.25, full_until=0.0)
        return await times(by, [ticket() for _ in range(2)])

    assert run(play()) == [2, 4]  # thirty in a minute


def test_silence_before_earns_no_burst() -> None:
    async def burst() -> list[float | None]:
        by = alone()
        await asyncio.sleep(600)
        return await times(by, [ticket(), ticket(), ticket()])

    assert run(burst()) == pytest.approx([600, 601, 602])


@pytest.mark.parametrize(
    ("quota", "cost", "spacing"),
    [
        (Quota(tpm=6000), Cost(tokens=100), 2),
        (Quota(rpm=60, tpm=6000), Cost(tokens=10), 2),
        (Quota(itpm=6000, accounting=Accounting.ANTHROPIC), Cost(input_tokens=300), 6),
        (Quota(otpm=600, accounting=Accounting.ANTHROPIC), Cost(output_tokens=100), 20),
        (Quota(rpd=8640), Cost(), 20),
        (Quota(tpd=864_000), Cost(tokens=100), 20),
        (Quota(), Cost(tokens=100), 0),
    ],
)
def test_scarcest_limit_sets_the_pace(quota: Quota, cost: Cost, spacing: float) -> None:
    admitted = fault([ticket(quota, cost=cost) for _ in range(3)])

    assert admitted == pytest.approx([spacing, 2 * spacing, 3 * spacing])


def test_large_call_waits_until_all_that_it_takes_has_come_in() -> None:
    small, large = (ticket(Quota(tpm=6000), cost=Cost(tokens=tokens)) for tokens in (50, 3000))

    assert fault([small, large], processes=8) == pytest.approx([8, 488])


def test_upstreams_are_paced_apart() -> None:
    tickets = [ticket(upstream=name) for name in ("d1", "d2", "d1", "d2")]

    assert fault(tickets) == pytest.approx([1, 1, 2, 2])


def test_heavier_tier_goes_first_and_each_tier_in_order() -> None:
    tickets = [ticket(tier=tier) for tier in ("free", "nobody-knows-it", "free", "pro", "pro")]

    assert fault(tickets) == pytest.approx([3, 5, 4, 1, 2])


@pytest.mark.parametrize("processes", [None, 0])
def test_process_that_knew_of_none_admits_nothing(processes: int | None) -> None:
    assert fault([ticket()], processes=processes, until=60) == [None]


def test_work_that_nobody_waits_for_is_not_admitted() -> None:
    assert fault([ticket(patient=True), ticket()], until=60) == [None, 1]


def test_nobody_waits_longer_than_asked() -> None:
    async def give_up() -> float:
        with pytest.raises(TimeoutError):
            await alone(None).admits(ticket(), until=7)
        return asyncio.get_running_loop().time()

    assert run(give_up()) == pytest.approx(7)


def test_place_of_one_who_gave_up_goes_to_the_next() -> None:
    async def give_up() -> list[float | None]:
        by = alone()
        early = asyncio.create_task(times(by, [ticket(tier="pro")], until=0.5))
        await asyncio.sleep(0)
        late = await times(by, [ticket()])
        return [*await early, *late]

    assert run(give_up()) == [None, 1]


# The account above ----------------------------------------------------------------------------------------

ACCOUNT_OF_60K = Quota(tpm=60_000)
"""Half of it for a process alone: 500 tokens a second."""


def model(name: str, tokens: int, **values: str) -> Ticket:
    """A call to one of the account's models, which may use all of the account's quota by itself."""
    quota = ACCOUNT_OF_60K
    return ticket(quota, upstream=name, account_quota=quota, cost=Cost(tokens=tokens), **values)  # type: ignore[arg-type]


def test_models_of_one_account_share_its_quota() -> None:
    admitted = fault([model(name, 500) for name in ("d1", "d2", "d3") for _ in range(2)])

    assert sorted(at for at in admitted if at) == pytest.approx([1, 2, 3, 4, 5, 6])


def test_heavier_tier_goes_first_whichever_model_it_calls() -> None:
    tickets = [model("d1", 500), model("d2", 500, tier="pro"), model("d1", 500, tier="pro")]

    assert fault(tickets) == pytest.approx([3, 1, 2])


def test_small_calls_of_one_model_do_not_pass_a_large_one_of_another_for_ever() -> None:
    large, *small = [model("d2", 5000), *(model("d1", 500) for _ in range(30))]
    admitted = fault([large, *small])

    assert admitted[0] == pytest.approx(19)  # ten seconds for its own quota, then ten for the account's
    assert admitted[9:11] == pytest.approx([9, 20])


def test_model_that_has_to_wait_for_its_own_quota_does_not_hold_up_the_account() -> None:
    slow = ticket(Quota(rpm=12), account_quota=RPM_120)
    others = [ticket(upstream="d2", account_quota=RPM_120) for _ in range(3)]

    assert fault([slow, *others]) == pytest.approx([10, 1, 2, 3])


def test_calls_at_once_of_an_account_count_together() -> None:
    above = Quota(concurrency=4)
    admitted = fault([ticket(Quota(), upstream=f"d{n}", account_quota=above) for n in range(4)], until=60)

    assert admitted == [0, 0, None, None]


# Money ----------------------------------------------------------------------------------------------------


def test_money_beyond_the_grace_is_closed() -> None:
    tickets = [ticket(Quota(), nanos=nanos) for nanos in (GRACE_NANOS - 1, 1, 1)]

    assert fault(tickets, until=60) == [0, 0, None]


def test_money_of_those_who_gave_up_is_there_for_others() -> None:
    async def give_up() -> list[float | None]:
        by = alone()
        first = await times(by, [ticket(Quota(rpm=1), nanos=GRACE_NANOS)], until=1)
        return first + await times(by, [ticket(upstream="d2", nanos=GRACE_NANOS)], until=60)

    assert run(give_up()) == [None, 1]


def test_each_fault_has_a_grace_of_its_own() -> None:
    async def twice() -> list[float | None]:
        by = alone()
        first = await times(by, [ticket(Quota(), nanos=GRACE_NANOS)])
        by.redis_is_back()
        by.redis_is_gone()
        return first + await times(by, [ticket(Quota(), nanos=GRACE_NANOS)])

    assert run(twice()) == [0, 0]


# Calls at once --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concurrency", "processes", "places"), [(10, 1, 5), (10, 2, 2), (3, 1, 1), (1, 1, 0), (4, 4, 0)]
)
def test_part_of_the_places_is_used(concurrency: int, processes: int, places: int) -> None:
    admitted = fault(
        [ticket(Quota(concurrency=concurrency)) for _ in range(8)], processes=processes, until=60
    )

    assert len([at for at in admitted if at is not None]) == places


def test_call_that_ended_makes_room_for_the_next() -> None:
    async def one_by_one() -> list[float | None]:
        by, tickets = alone(), [ticket(Quota(concurrency=2)) for _ in range(3)]
        asking = asyncio.create_task(times(by, tickets))
        for ended in tickets:
            await asyncio.sleep(10)
            by.ended(ended, NOTHING_SAID)
        return await asking

    assert run(one_by_one()) == pytest.approx([0, 10, 20])


def test_calls_that_redis_admitted_hold_their_places() -> None:
    async def before_and_during() -> list[float | None]:
        by, quota = Alone(), Quota(concurrency=4)
        by.processes = 1
        before = [ticket(quota) for _ in range(3)]
        for call in before:
            by.began(call)
        by.redis_is_gone()
        asking = asyncio.create_task(times(by, [ticket(quota)]))
        for call in before:
            await asyncio.sleep(10)
            by.ended(call, NOTHING_SAID)
        return await asking

    assert run(before_and_during()) == pytest.approx([20])


def test_call_that_ends_twice_frees_one_place() -> None:
    async def twice() -> list[float | None]:
        by, tickets = alone(), [ticket(Quota(concurrency=4)) for _ in range(4)]
        asking = asyncio.create_task(times(by, tickets, until=60))
        await asyncio.sleep(10)
        for _ in range(2):
            by.ended(tickets[0], NOTHING_SAID)
        return await asking

    assert run(twice()) == [0, 0, 10, None]


def test_call_of_an_earlier_fault_holds_its_place_until_it_ends() -> None:
    async def over_two_faults() -> list[float | None]:
        by = alone()
        first, *others = (ticket(Quota(concurrency=2)) for _ in range(3))
        await by.admits(first, until=60)
        by.redis_is_back()
        by.redis_is_gone()
        asking = asyncio.create_task(times(by, others))
        for ended in (first, others[0]):
            await asyncio.sleep(10)
            by.ended(ended, NOTHING_SAID)
        return await asking

    assert run(over_two_faults()) == pytest.approx([10, 20])


def test_call_that_is_cancelled_as_it_is_admitted_takes_no_place() -> None:
    async def cancelled() -> list[float | None]:
        by = alone()
        first, second, third = (ticket(Quota(concurrency=2)) for _ in range(3))
        await by.admits(first, until=60)
        asking = asyncio.create_task(by.admits(second, until=60))
        await asyncio.sleep(1)
        by.ended(first, NOTHING_SAID)  # admits the one who waits
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return await times(by, [third], until=60)

    assert run(cancelled()) == pytest.approx([1])


# What the provider says -----------------------------------------------------------------------------------


def after(*words: ProviderWord, until: float = 1000) -> list[float | None]:
    """When two more calls are admitted after one for each word, all of which end as they begin."""

    async def ask() -> list[float | None]:
        by = alone()
        for word in words:
            call = ticket()
            await by.admits(call, until=until)
            by.ended(call, word)
        return await times(by, [ticket(), ticket()], until)

    return run(ask())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([ProviderWord(kind="rate", retry_after_s=30)], [31, 32], id="Retry-After"),
        pytest.param([ProviderWord(kind="rate", retry_after_s=900)], [301, 302], id="at most five minutes"),
        pytest.param([ProviderWord(kind="rate")], [2, 3], id="an estimate"),
        pytest.param([ProviderWord(kind="rate")] * 4, [16, 17], id="doubled while nobody is answered"),
        pytest.param([ProviderWord(kind="ramp", retry_after_s=30)], [2, 3], id="too fast a rise"),
        pytest.param([ProviderWord(kind="ok")], [2, 3], id="an answer"),
    ],
)
def test_refusals_pause_the_upstream(words: list[ProviderWord], expected: list[float]) -> None:
    assert after(*words) == pytest.approx(expected)


def test_answer_begins_the_estimates_anew() -> None:
    refused = ProviderWord(kind="rate")

    assert after(refused, refused, ProviderWord(kind="ok"), refused)[0] == pytest.approx(6)


def test_spent_credit_stops_the_upstream_and_no_other() -> None:
    async def ask() -> list[float | None]:
        by, call = alone(), ticket()
        by.ended(call, ProviderWord(kind="out_of_credit"))
        return await times(by, [ticket(), ticket(upstream="d2")], until=900)

    assert run(ask()) == [None, 1]


def test_pause_from_before_the_fault_goes_on() -> None:
    async def ask() -> list[float | None]:
        by, call = Alone(), ticket()
        by.processes = 1
        by.began(call)
        by.ended(call, ProviderWord(kind="rate", retry_after_s=30))
        by.redis_is_gone()
        return await times(by, [ticket()])

    assert run(ask()) == pytest.approx([30])


@pytest.mark.parametrize("resumes", ["by a call that Redis admits", "by Redis"])
def test_upstream_that_was_out_of_credit_goes_on_when_it_is_resumed(resumes: str) -> None:
    async def ask() -> list[float | None]:
        by = alone()
        by.ended(ticket(), ProviderWord(kind="out_of_credit"))
        if resumes == "by Redis":
            by.redis_is_back()
            by.redis_is_gone()
        else:
            by.began(ticket())
        return await times(by, [ticket()], until=900)

    assert run(ask()) == pytest.approx([1])


# Redis is back --------------------------------------------------------------------------------------------


def sent_back(who: Callable[[Alone], Awaitable[bool]]) -> bool:
    async def ask() -> bool:
        by = alone()
        asking = asyncio.ensure_future(who(by))
        await asyncio.sleep(1)
        by.redis_is_back()
        return await asking

    return run(ask())


@pytest.mark.parametrize("asked", [ticket(patient=True), ticket(Quota(concurrency=1))])
def test_who_waits_asks_redis_again_when_it_is_back(asked: Ticket) -> None:
    assert sent_back(lambda by: by.admits(asked, until=60)) is False


def test_who_comes_when_redis_is_back_asks_it_at_once() -> None:
    async def late() -> bool:
        by = alone()
        by.redis_is_back()
        return await by.admits(ticket(), until=0)

    assert run(late()) is False


def test_how_many_were_admitted_is_told_by_upstream() -> None:
    async def some() -> dict[str, int]:
        by = alone()
        none = ticket(Quota(concurrency=1), upstream="d3")
        await times(by, [ticket(), ticket(), ticket(upstream="d2"), none], 5)
        return by.redis_is_back()

    assert run(some()) == {"d1": 2, "d2": 1}

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from readiness.simulator.profiles import LimitSet, WindowKind
from readiness.simulator.quota import MAX_ACCOUNTS, Account, Accounts, Charge, Limits

START = 50.0
NOTHING = LimitSet()


def make_account(above: Sequence[Limits] = (), **limits: Any) -> Account:
    return Account(make_limits(**limits), above)


def make_limits(*, shared: bool = False, **limits: Any) -> Limits:
    return Limits(LimitSet.model_validate(limits), START, shared=shared)


def cost(tokens: int) -> Charge:
    return Charge(tokens=tokens)


@given(
    rpm=st.integers(1, 50),
    tpm=st.integers(1, 5_000),
    steps=st.lists(st.tuples(st.floats(0, 40), st.integers(1, 1_000)), max_size=60),
)
def test_account_never_admits_more_than_capacity_and_refill(
    rpm: int, tpm: int, steps: list[tuple[float, int]]
) -> None:
    account, now, requests, tokens = make_account(rpm=rpm, tpm=tpm), START, 0, 0
    for wait, charged in steps:
        now += wait
        if account.admit(cost(charged), now) is None:
            requests, tokens = requests + 1, tokens + charged
        elapsed = now - START
        assert requests <= rpm + rpm / 60 * elapsed + 1e-4
        assert tokens <= tpm + tpm / 60 * elapsed + 1e-4


@given(
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 100)), min_size=1, max_size=60),
    kind=st.sampled_from(WindowKind),
)
def test_account_admits_whoever_waits_as_told(steps: list[tuple[float, int]], kind: WindowKind) -> None:
    account, now = make_account(rpm=7, tpm=100, window=kind), START
    for pause, charged in steps:
        now += pause
        refusal = account.admit(cost(charged), now)
        if refusal is not None:
            now += refusal.seconds
            assert account.admit(cost(charged), now) is None


def test_account_charges_nothing_when_one_bucket_is_short() -> None:
    account = make_account(rpm=10, tpm=100)
    account.admit(cost(90), START)
    before = account.readings(START)
    assert account.admit(cost(20), START) is not None
    assert account.readings(START) == before


def test_account_names_the_limit_that_takes_longest() -> None:
    account = make_account(rpm=1, rpd=1)
    account.admit(cost(1), START)
    refusal = account.admit(cost(1), START)
    assert refusal is not None
    assert (refusal.limit, refusal.capacity, refusal.used) == ("requests per day (RPD)", 1, 1)


def test_account_never_admits_a_cost_above_capacity() -> None:
    refusal = make_account(tpm=100).admit(cost(101), START)
    assert refusal is not None
    assert math.isinf(refusal.seconds)


def test_account_refuses_beyond_its_concurrency_until_a_place_is_released() -> None:
    account = make_account(concurrency=1)
    assert account.admit(cost(1), START) is None
    assert account.admit(cost(1), START) is not None
    account.release()
    assert account.admit(cost(1), START) is None


def test_accounts_of_two_keys_do_not_share() -> None:
    accounts, quota = Accounts(), LimitSet(rpm=1)
    assert accounts.find("sim-a", "m", quota, NOTHING, START).admit(cost(1), START) is None
    assert accounts.find("sim-a", "m", quota, NOTHING, START).admit(cost(1), START) is not None
    assert accounts.find("sim-b", "m", quota, NOTHING, START).admit(cost(1), START) is None


def test_accounts_follow_a_changed_quota() -> None:
    accounts = Accounts()
    accounts.find("sim-a", "m", LimitSet(rpm=1), NOTHING, START).admit(cost(1), START)
    lifted = accounts.find("sim-a", "m", LimitSet(rpm=None), NOTHING, START)
    assert lifted.admit(cost(1), START) is None


def test_accounts_forget_the_one_idle_for_longest() -> None:
    accounts, quota = Accounts(), LimitSet(rpm=1)
    accounts.find("sim-first", "m", quota, NOTHING, START).admit(cost(1), START)
    for number in range(MAX_ACCOUNTS):
        accounts.find(f"sim-{number}", "m", quota, NOTHING, START)
    assert accounts.find("sim-first", "m", quota, NOTHING, START).admit(cost(1), START) is None


def test_accounts_share_the_limits_above_all_models() -> None:
    accounts, above = Accounts(), LimitSet(rpm=1)
    assert accounts.find("sim-a", "m", NOTHING, above, START).admit(cost(1), START) is None
    refusal = accounts.find("sim-a", "n", NOTHING, above, START).admit(cost(1), START)
    assert refusal is not None
    assert (refusal.name, refusal.limit) == ("account rpm", "requests per min of the account (RPM)")
    assert accounts.find("sim-b", "n", NOTHING, above, START).admit(cost(1), START) is None


def test_account_charges_nothing_to_the_model_when_the_limits_above_are_short() -> None:
    account = make_account(above=(make_limits(tpm=10, shared=True),), tpm=100)
    assert account.admit(cost(11), START) is not None
    (reading,) = account.readings(START)
    assert reading.remaining == 100


def test_account_frees_a_place_in_the_limits_above_too() -> None:
    account = make_account(above=(make_limits(concurrency=1, shared=True),))
    account.admit(cost(1), START)
    assert account.admit(cost(1), START) is not None
    account.release()
    assert account.admit(cost(1), START) is None


def test_limits_count_each_unit_by_itself() -> None:
    account = make_account(tpm=100, itpm=100, otpm=100, tpd=100)
    account.admit(Charge(tokens=50, input_tokens=20, output_tokens=30), START)
    remaining = {reading.unit: reading.remaining for reading in account.readings(START)}
    assert remaining == {"tokens": 50, "input_tokens": 80, "output_tokens": 70}


def test_output_that_is_charged_later_may_overdraw_its_limit() -> None:
    account = make_account(otpm=60)
    later = Charge(output_later=True)
    account.admit(later, START)
    account.produce(90, START)
    refusal = account.admit(later, START)
    assert refusal is not None
    assert (refusal.name, refusal.used, round(refusal.seconds, 3)) == ("otpm", 90, 30)
    assert account.admit(later, START + refusal.seconds) is None


def test_request_whose_output_is_charged_later_needs_a_limit_that_is_not_empty() -> None:
    account = make_account(otpm=60, window="sliding")
    account.produce(59, START)
    assert account.admit(Charge(output_later=True), START) is None
    account.produce(1, START)
    assert account.admit(Charge(output_later=True), START) is not None


def test_limits_of_another_window_kind_start_full() -> None:
    limits = make_limits(rpm=1)
    limits.take(cost(1), START)
    limits.apply(LimitSet(rpm=1, window=WindowKind.SLIDING), START)
    assert not list(limits.shortages(cost(1), START))


def test_fixed_day_begins_at_midnight_of_its_zone() -> None:
    noon_in_tokyo = datetime(2026, 3, 1, 3, tzinfo=UTC).timestamp()
    limits = LimitSet(rpd=1, day_window=WindowKind.FIXED, zone="Asia/Tokyo")
    account = Accounts(noon_in_tokyo).find("sim-a", "m", limits, NOTHING, 0.0)
    account.admit(cost(1), 0.0)
    refusal = account.admit(cost(1), 0.0)
    assert refusal is not None
    assert refusal.seconds == 12 * 3_600


def test_readings_count_requests_by_day_where_no_minute_is_limited() -> None:
    (reading,) = make_account(rpd=86_400).readings(START)
    assert (reading.unit, reading.limit) == ("requests", 86_400)


def test_readings_leave_out_what_is_not_limited() -> None:
    assert make_account(concurrency=3).readings(START) == []

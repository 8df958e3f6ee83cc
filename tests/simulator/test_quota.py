import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.simulator.profiles import Quota
from readiness.simulator.quota import MAX_ACCOUNTS, Account, Accounts, Bucket, format_duration

START = 50.0


def make_account(**limits: int | None) -> Account:
    quota = Quota.model_validate({"rpm": None, "tpm": None, "rpd": None, "concurrency": None} | limits)
    account = Account(quota)
    account.apply(quota, START)
    return account


@given(
    rpm=st.integers(1, 50),
    tpm=st.integers(1, 5_000),
    steps=st.lists(st.tuples(st.floats(0, 40), st.integers(1, 1_000)), max_size=60),
)
def test_account_never_admits_more_than_capacity_and_refill(
    rpm: int, tpm: int, steps: list[tuple[float, int]]
) -> None:
    account, now, requests, tokens = make_account(rpm=rpm, tpm=tpm), START, 0, 0
    for wait, cost in steps:
        now += wait
        if account.admit(cost, now) is None:
            requests, tokens = requests + 1, tokens + cost
        elapsed = now - START
        assert requests <= rpm + rpm / 60 * elapsed + 1e-4
        assert tokens <= tpm + tpm / 60 * elapsed + 1e-4


@given(steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 100)), min_size=1, max_size=60))
def test_account_admits_whoever_waits_as_told(steps: list[tuple[float, int]]) -> None:
    account, now = make_account(rpm=7, tpm=100), START
    for pause, cost in steps:
        now += pause
        refusal = account.admit(cost, now)
        if refusal is not None:
            now += refusal.seconds
            assert account.admit(cost, now) is None


def test_account_charges_nothing_when_one_bucket_is_short() -> None:
    account = make_account(rpm=10, tpm=100)
    account.admit(90, START)
    before = account.headers(START)
    assert account.admit(20, START) is not None
    assert account.headers(START) == before


def test_account_names_the_limit_that_takes_longest() -> None:
    account = make_account(rpm=1, rpd=1)
    account.admit(1, START)
    refusal = account.admit(1, START)
    assert refusal is not None
    assert (refusal.limit, refusal.capacity, refusal.used) == ("requests per day (RPD)", 1, 1)


def test_account_never_admits_a_cost_above_capacity() -> None:
    refusal = make_account(tpm=100).admit(101, START)
    assert refusal is not None
    assert math.isinf(refusal.seconds)


def test_account_refuses_beyond_its_concurrency_until_a_place_is_released() -> None:
    account = make_account(concurrency=1)
    assert account.admit(1, START) is None
    assert account.admit(1, START) is not None
    account.release()
    assert account.admit(1, START) is None


def test_headers_say_limit_remaining_and_reset() -> None:
    account = make_account(rpm=60, tpm=6_000)
    account.admit(1_050, START)
    assert account.headers(START) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "4950",
        "x-ratelimit-reset-tokens": "10.5s",
    }


def test_headers_count_requests_by_day_where_no_minute_is_limited() -> None:
    assert make_account(rpd=86_400).headers(START)["x-ratelimit-limit-requests"] == "86400"


def test_headers_leave_out_what_is_not_limited() -> None:
    assert make_account(concurrency=3).headers(START) == {}


def test_lowered_limit_cuts_the_level() -> None:
    bucket = Bucket(100, 60, START)
    bucket.resize(10, START)
    assert bucket.level(START) == 10


def test_raised_limit_keeps_the_level_and_refills_faster() -> None:
    bucket = Bucket(60, 60, START)
    bucket.take(60)
    bucket.resize(600, START)
    assert bucket.level(START) == 0
    assert bucket.level(START + 1) == 10


def test_bucket_takes_a_clock_that_goes_back_to_stand_still() -> None:
    bucket = Bucket(60, 60, START)
    bucket.take(60)
    assert bucket.level(START - 30) == 0
    assert bucket.level(START + 1) == 1


def test_accounts_of_two_keys_do_not_share() -> None:
    accounts, quota = Accounts(), Quota(rpm=1)
    assert accounts.find("sim-a", "m", quota, START).admit(1, START) is None
    assert accounts.find("sim-a", "m", quota, START).admit(1, START) is not None
    assert accounts.find("sim-b", "m", quota, START).admit(1, START) is None


def test_accounts_follow_a_changed_quota() -> None:
    accounts = Accounts()
    accounts.find("sim-a", "m", Quota(rpm=1), START).admit(1, START)
    lifted = accounts.find("sim-a", "m", Quota(rpm=None), START)
    assert lifted.admit(1, START) is None


def test_accounts_forget_the_one_idle_for_longest() -> None:
    accounts, quota = Accounts(), Quota(rpm=1)
    accounts.find("sim-first", "m", quota, START).admit(1, START)
    for number in range(MAX_ACCOUNTS):
        accounts.find(f"sim-{number}", "m", quota, START)
    assert accounts.find("sim-first", "m", quota, START).admit(1, START) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.017, "17ms"),
        (1, "1s"),
        (8.64, "8.64s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (3_603, "1h0m3s"),
    ],
)
def test_format_duration_writes_as_openai_does(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(0, 200_000))
def test_format_duration_rounds_up_by_less_than_a_millisecond(seconds: float) -> None:
    units = {"h": 3_600, "m": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", format_duration(seconds))
    read = sum(float(number) * units[unit] for number, unit in parts)
    assert seconds - 1e-6 <= read <= seconds + 0.001 + 1e-6

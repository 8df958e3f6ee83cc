import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.simulator.windows import Bucket, FixedWindow, SlidingLog, day_edge, minute_edge

START = 50.0
CAPACITY = 20

Steps = list[tuple[float, int]]
steps = st.lists(st.tuples(st.floats(0, 45), st.integers(1, CAPACITY)), max_size=60)


def taken(meter: Any, attempts: Steps) -> Steps:
    """When the meter let how much in, asked for each amount after its pause."""
    now, found = START, []
    for pause, amount in attempts:
        now += pause
        if meter.seconds_until(amount, now) == 0:
            meter.take(amount, now)
            found.append((now, amount))
    return found


def make_fixed(second: int = 0, now: float = START, capacity: int = CAPACITY) -> FixedWindow:
    return FixedWindow(capacity, minute_edge(second, 0.0), now)


@given(steps)
def test_sliding_log_never_lets_more_than_its_capacity_into_any_minute(attempts: Steps) -> None:
    found = taken(SlidingLog(CAPACITY, 60, START), attempts)
    for end, _ in found:
        assert sum(amount for at, amount in found if end - 60 + 1e-5 < at <= end) <= CAPACITY


@given(steps)
def test_sliding_log_refuses_only_what_its_last_minute_cannot_hold(attempts: Steps) -> None:
    log, now, found = SlidingLog(CAPACITY, 60, START), START, []
    for pause, amount in attempts:
        now += pause
        used = sum(each for at, each in found if at > now - 60 - 1e-5)
        if log.seconds_until(amount, now) == 0:
            log.take(amount, now)
            found.append((now, amount))
        else:
            assert used + amount > CAPACITY


@given(steps, st.integers(0, 59))
def test_fixed_window_holds_its_capacity_in_each_minute_of_the_wall_clock(
    attempts: Steps, second: int
) -> None:
    used: dict[int, int] = {}
    for at, amount in taken(make_fixed(second), attempts):
        minute = math.floor((at + 1e-6 - second) / 60)
        used[minute] = used.get(minute, 0) + amount
    assert all(amount <= CAPACITY for amount in used.values())


def test_fixed_window_passes_twice_its_capacity_across_an_edge() -> None:
    window = make_fixed(now=59.0)
    window.take(CAPACITY, 59.0)
    assert window.seconds_until(CAPACITY, 59.0) == 1.0
    assert window.seconds_until(CAPACITY, 60.0) == 0


def test_sliding_log_waits_for_the_entries_that_make_room() -> None:
    log = SlidingLog(10, 60, START)
    for second in range(10):
        log.take(1, START + second)
    assert log.seconds_until(3, START + 10) == 52
    assert log.seconds_until_full(START + 10) == 59


METERS = {
    "bucket": lambda: Bucket(CAPACITY, 60, START),
    "log": lambda: SlidingLog(CAPACITY, 60, START),
    "window": make_fixed,
}


@pytest.mark.parametrize("kind", METERS)
def test_meter_never_holds_more_than_its_capacity(kind: str) -> None:
    meter = METERS[kind]()
    assert math.isinf(meter.seconds_until(CAPACITY + 1, START))
    assert meter.level(START + 1_000) == CAPACITY


@pytest.mark.parametrize("kind", METERS)
def test_overdrawn_meter_goes_below_zero(kind: str) -> None:
    meter = METERS[kind]()
    meter.take(CAPACITY + 5, START)
    assert meter.level(START) == -5


def test_lowered_limit_of_a_log_keeps_what_was_used() -> None:
    log = SlidingLog(10, 60, START)
    log.take(4, START)
    log.resize(5, START)
    assert log.level(START) == 1


def test_lowered_limit_of_a_window_keeps_what_was_used() -> None:
    window = make_fixed(capacity=10)
    window.take(4, START)
    window.resize(5, START)
    assert window.level(START) == 1


def test_log_takes_a_clock_that_goes_back_to_stand_still() -> None:
    log = SlidingLog(1, 60, START)
    log.take(1, START - 30)
    assert log.seconds_until(1, START) == 60


def test_bucket_loses_what_overflowed_before_more_is_taken() -> None:
    bucket = Bucket(60, 60, START)
    bucket.take(1, START)
    bucket.take(60, START + 30)
    assert bucket.level(START + 31) == 1


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), 23),  # clocks go forward in Berlin on the 29th
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 25),  # and back on the 25th of October
        (datetime(2026, 6, 1, 22, tzinfo=UTC), 24),
        (datetime(2026, 6, 1, 21, 59, tzinfo=UTC), 1 / 60),
    ],
)
def test_day_ends_at_midnight_of_its_zone(now: datetime, hours: float) -> None:
    unix = now.timestamp()
    assert day_edge("Europe/Berlin", 0.0)(unix) - unix == pytest.approx(hours * 3_600)


def test_minute_ends_at_its_second_of_the_wall_clock() -> None:
    unix = datetime(2026, 6, 1, 12, 0, 50, tzinfo=UTC).timestamp()
    edge = minute_edge(15, unix - START)
    assert edge(START) == pytest.approx(START + 25)
    assert edge(edge(START)) == pytest.approx(START + 85)


def test_lowered_limit_cuts_the_level() -> None:
    bucket = Bucket(100, 60, START)
    bucket.resize(10, START)
    assert bucket.level(START) == 10


def test_raised_limit_keeps_the_level_and_refills_faster() -> None:
    bucket = Bucket(60, 60, START)
    bucket.take(60, START)
    bucket.resize(600, START)
    assert bucket.level(START) == 0
    assert bucket.level(START + 1) == 10


def test_bucket_takes_a_clock_that_goes_back_to_stand_still() -> None:
    bucket = Bucket(60, 60, START)
    bucket.take(60, START)
    assert bucket.level(START - 30) == 0
    assert bucket.level(START + 1) == 1

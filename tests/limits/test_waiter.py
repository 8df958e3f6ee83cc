"""What a request that waits makes of the answers to it."""

import pytest

from readiness.limits.waiter import Waiter
from tests.limits.process import ticket

GRANTED = {"status": "granted", "queue_ms": "1500"}


def waiter(wait_s: float | None = 30) -> Waiter:
    """Began at 100, was asked for at 101, and answered at 101.2."""
    found = Waiter(ticket("one", wait_s=wait_s), began_at=100)
    found.note_answer({"status": "waiting", "deadline_ms": "60000"}, asked_at=101, now=101.2)
    return found


def test_grant_is_dated_by_the_wait_that_redis_counted() -> None:
    permit = waiter().granted(GRANTED, now=110)

    assert permit.granted_at == pytest.approx(102.5)
    assert permit.sent_ms(110.25) == 7750


@pytest.mark.parametrize("status", ["granted", "orphaned"])
def test_grant_whose_beginning_is_not_known_is_not_dated(status: str) -> None:
    found = waiter()
    found.is_certain = status == "orphaned"
    permit = found.granted(GRANTED | {"status": status}, now=110)

    assert permit.granted_at is None
    assert permit.sent_ms(110) is None


def test_request_that_redis_forgot_is_dated_by_the_later_call() -> None:
    found = waiter()
    found.note_answer({"status": "waiting"}, asked_at=105, now=105.1)

    assert found.granted(GRANTED, now=110).granted_at == pytest.approx(106.5)


def test_clock_of_redis_that_went_ahead_makes_nobody_early() -> None:
    permit = waiter().granted(GRANTED | {"queue_ms": "60000"}, now=110)

    assert permit.sent_ms(110) == 0


def test_call_admitted_alone_is_dated_by_its_admission() -> None:
    permit = waiter().admitted_alone(now=110)

    assert (permit.granted_at, permit.queue_ms, permit.degraded) == (110, 10_000, True)


@pytest.mark.parametrize(("named_s", "left_s"), [(30, 20), (None, 51.2)])
def test_longest_wait_is_the_callers_or_else_the_tiers(named_s: float | None, left_s: float) -> None:
    assert waiter(named_s).granted(GRANTED, now=110).wait_left_s == pytest.approx(left_s)

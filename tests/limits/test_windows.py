"""The three kinds of window of one bucket: what comes back when, whatever the clock does."""

from dataclasses import replace

import pytest
import redis

from readiness.limits.tickets import Cost
from readiness.providers.base import Accounting, Quota, WindowKind
from tests.limits.harness import Upstream, publish
from tests.limits.test_enqueue import fill
from tests.limits.test_publication import at

SLOT_MS = 250
"""Of a sliding minute."""
SLIDING = Quota(rpm=10, window=WindowKind.SLIDING, jitter_ms=0)
FIXED = Quota(rpm=10, window=WindowKind.FIXED, jitter_ms=0)


@pytest.fixture
def client(redis_server: redis.Redis) -> redis.Redis:
    publish(redis_server, free={})
    return redis_server


def spend(upstream: Upstream, requests: int) -> None:
    for _ in range(requests):
        answer = upstream.enqueue()
        assert answer["status"] == "granted"
        upstream.settle(answer["id"])


def anthropic(kind: WindowKind) -> Quota:
    return Quota(otpm=1000, window=kind, accounting=Accounting.ANTHROPIC, jitter_ms=0)


def output(tokens: int) -> Cost:
    return Cost(output_tokens=tokens)


# Continuous -----------------------------------------------------------------------------------------------


def test_bucket_refills_continuously(upstream: Upstream) -> None:
    spend(upstream, 10)
    upstream.now += 2500

    assert upstream.level("rpm") == 52.5


def test_clock_that_goes_back_takes_nothing_away(upstream: Upstream) -> None:
    spend(upstream, 10)
    upstream.now -= 30_000
    upstream.dispatch()

    assert upstream.level("rpm") == 50


def test_clock_that_went_back_does_not_stop_the_refill(upstream: Upstream) -> None:
    spend(upstream, 10)
    upstream.now -= 30_000
    upstream.dispatch()
    upstream.now += 1000

    assert upstream.level("rpm") == 51


def test_jump_forward_fills_one_window_at_most(upstream: Upstream) -> None:
    spend(upstream, 10)
    upstream.now += 86_400_000

    assert upstream.level("rpm") == 60


def test_day_comes_back_continuously(client: redis.Redis) -> None:
    upstream = Upstream(client, Quota(rpd=24, jitter_ms=0))
    for name in map(str, range(24)):
        upstream.enqueue(name)
        upstream.settle(name)
    upstream.now += 90 * 60_000

    assert upstream.level("rpd") == pytest.approx(1.5)


def test_half_of_a_silence_with_calls_waiting_counts(upstream: Upstream) -> None:
    fill(upstream)
    upstream.now += 20_000  # processes admitted up to half of the quota by themselves meanwhile
    upstream.dispatch()

    assert upstream.level("rpm") == 9  # ten came back, one was waited for


@pytest.mark.parametrize("kind", [WindowKind.SLIDING, WindowKind.FIXED])
def test_window_counts_half_of_a_silence_as_spent(client: redis.Redis, kind: WindowKind) -> None:
    upstream = Upstream(client, Quota(rpm=60, window=kind, jitter_ms=0, edge_s=0))
    upstream.enqueue("held")
    upstream.now += 20_000
    assert upstream.level("rpm") == 60 - 1 - 10

    for number in range(12):  # admitted meanwhile, as the processes say by and by
        upstream.settle(f"alone{number}")
    assert upstream.level("rpm") == 60 - 1 - 12


@pytest.mark.parametrize("kind", [WindowKind.SLIDING, WindowKind.FIXED])
def test_silence_spends_no_more_of_a_window_than_was_left(client: redis.Redis, kind: WindowKind) -> None:
    upstream = Upstream(client, Quota(rpm=60, window=kind, jitter_ms=0, edge_s=0))
    for name in map(str, range(55)):
        upstream.enqueue(name)
    upstream.now += 20_000

    assert upstream.level("rpm") == 0


def test_calls_of_a_silence_do_not_lower_a_level_twice(upstream: Upstream) -> None:
    fill(upstream)
    upstream.now += 20_000
    for number in range(10):
        upstream.settle(f"alone{number}")

    assert upstream.level("rpm") == 9


# Sliding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jitter_ms", [0, 400])
def test_sliding_window_gives_back_after_a_window_a_slot_and_the_jitter(
    client: redis.Redis, jitter_ms: int
) -> None:
    upstream = Upstream(client, replace(SLIDING, jitter_ms=jitter_ms))
    spend(upstream, 10)
    answer = upstream.enqueue("late", wait_ms=120_000)
    assert answer["status"] == "waiting"
    for _ in range(59):
        upstream.now += 1000
        upstream.dispatch()
    upstream.now += 1000 + jitter_ms
    upstream.dispatch()
    assert (
        upstream.granted() == []
    )  # the slot of the grants began a window and the jitter ago: it is not over

    upstream.now += SLOT_MS
    upstream.dispatch()
    assert upstream.granted() == ["late"]


def test_sliding_window_gives_back_by_slots(client: redis.Redis) -> None:
    upstream = Upstream(client, SLIDING)
    spend(upstream, 4)
    upstream.now += 30_000
    spend(upstream, 6)
    upstream.now += 30_000 + SLOT_MS

    assert upstream.level("rpm") == 4


def test_sliding_window_is_free_after_a_long_silence(client: redis.Redis) -> None:
    upstream = Upstream(client, SLIDING)
    spend(upstream, 5)
    upstream.now += 1000
    spend(upstream, 5)
    upstream.now += 600_000

    assert upstream.level("rpm") == 10


def test_looking_at_a_sliding_window_changes_nothing(client: redis.Redis) -> None:
    looked_at, untouched = Upstream(client, SLIDING), Upstream(client, SLIDING, name="d2")
    for upstream in (looked_at, untouched):
        spend(upstream, 5)
    for _ in range(3):
        looked_at.now += 1000
        looked_at.inspect()
    untouched.now = looked_at.now
    for upstream in (looked_at, untouched):
        spend(upstream, 3)
    looked_at.now += 60_000 - 3000 + SLOT_MS
    looked_at.inspect()
    looked_at.inspect()
    untouched.now = looked_at.now

    assert looked_at.level("rpm") == untouched.level("rpm") == 7


def test_request_that_lacks_a_policy_changes_no_sliding_window(client: redis.Redis) -> None:
    upstream = Upstream(client, SLIDING)
    spend(upstream, 5)
    client.delete("limits:policy")
    upstream.now += 1000
    for _ in range(3):
        assert upstream.enqueue()["status"] == "no_policy"
    publish(client, free={})
    spend(upstream, 5)
    upstream.now += 60_000 - 1000 + SLOT_MS

    assert upstream.level("rpm") == 5


def test_clock_that_goes_back_frees_nothing_of_a_sliding_window(client: redis.Redis) -> None:
    upstream = Upstream(client, SLIDING)
    upstream.now += 10_000
    spend(upstream, 10)
    upstream.now -= 10_000
    upstream.dispatch()
    assert upstream.level("rpm") == 0
    upstream.now += 60_000

    assert upstream.level("rpm") == 0
    upstream.now += 10_000 + SLOT_MS
    assert upstream.level("rpm") == 10


# Fixed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("edge_s", "comes_after_s"), [(0, 60), (20, 20)])
def test_fixed_window_comes_back_whole_at_its_edge(
    client: redis.Redis, edge_s: int, comes_after_s: int
) -> None:
    upstream = Upstream(client, replace(FIXED, edge_s=edge_s))
    spend(upstream, 10)
    upstream.now += comes_after_s * 1000 - 1
    assert upstream.level("rpm") == 0
    upstream.now += 1

    assert upstream.level("rpm") == 10


def test_fixed_window_waits_beyond_its_edge_for_a_clock_that_is_behind(client: redis.Redis) -> None:
    upstream = Upstream(client, replace(FIXED, jitter_ms=200))
    spend(upstream, 10)
    upstream.now += 60_000 + 199
    assert upstream.level("rpm") == 0
    upstream.now += 1

    assert upstream.level("rpm") == 10


def test_guard_of_a_fixed_window_is_a_quarter_of_a_second_at_most(client: redis.Redis) -> None:
    upstream = Upstream(client, replace(FIXED, jitter_ms=5000))
    spend(upstream, 10)
    upstream.now += 60_000 + 250

    assert upstream.level("rpm") == 10


def test_what_may_arrive_after_the_edge_counts_in_the_next_window_too(client: redis.Redis) -> None:
    upstream = Upstream(client, replace(FIXED, jitter_ms=500))
    spend(upstream, 2)
    upstream.now += 60_000 - 499
    spend(upstream, 3)
    upstream.now += 1000

    assert upstream.level("rpm") == 7


def test_what_was_carried_over_is_forgotten_after_a_window_of_silence(client: redis.Redis) -> None:
    upstream = Upstream(client, replace(FIXED, jitter_ms=500))
    upstream.configure()
    upstream.now += 60_000 - 100
    spend(upstream, 3)
    upstream.now += 180_000

    assert upstream.level("rpm") == 10


def test_clock_that_goes_back_over_an_edge_frees_nothing(client: redis.Redis) -> None:
    upstream = Upstream(client, FIXED)
    spend(upstream, 4)
    upstream.now += 61_000
    spend(upstream, 10)
    upstream.now -= 5000
    upstream.dispatch()
    assert upstream.level("rpm") == 0
    upstream.now += 10_000

    assert upstream.level("rpm") == 0


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        ("UTC", "2027-01-16T00:00Z"),
        ("America/Los_Angeles", "2027-01-16T08:00Z"),
        ("Asia/Kolkata", "2027-01-15T18:30Z"),
    ],
)
def test_fixed_day_begins_at_midnight_of_its_zone(client: redis.Redis, zone: str, begins: str) -> None:
    upstream = Upstream(client, Quota(rpd=10, day_window=WindowKind.FIXED, zone=zone, jitter_ms=0))
    upstream.now = at("2027-01-15T12:00Z")
    spend(upstream, 10)
    upstream.now = at(begins) - 1
    assert upstream.level("rpd") == 0
    upstream.now += 1

    assert upstream.level("rpd") == 10


def test_fixed_day_follows_the_change_of_clocks(client: redis.Redis) -> None:
    upstream = Upstream(client, Quota(rpd=10, day_window=WindowKind.FIXED, zone="Europe/Berlin", jitter_ms=0))
    upstream.now = at("2027-03-27T23:30Z")  # half an hour into a day of 23 hours
    spend(upstream, 10)
    upstream.now = at("2027-03-28T22:00Z") - 1
    assert upstream.level("rpd") == 0
    upstream.now += 1

    assert upstream.level("rpd") == 10


# Corrections ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(WindowKind))
@pytest.mark.parametrize("later_ms", [0, 2000])
def test_refund_within_the_window_is_given_back(client: redis.Redis, kind: WindowKind, later_ms: int) -> None:
    upstream = Upstream(client, anthropic(kind))
    upstream.enqueue("one", cost=output(600))
    upstream.now += later_ms
    before = upstream.level("otpm")
    upstream.settle("one", cost=output(100))

    assert upstream.level("otpm") - before == pytest.approx(500)


@pytest.mark.parametrize("kind", [WindowKind.SLIDING, WindowKind.FIXED])
def test_refund_of_a_window_that_is_gone_is_nothing(client: redis.Redis, kind: WindowKind) -> None:
    upstream = Upstream(client, anthropic(kind))
    upstream.enqueue("one", cost=output(600))
    for _ in range(15):
        upstream.now += 5_000
        upstream.heartbeat(in_flight=("one",))
    upstream.enqueue("two", cost=output(400))
    upstream.settle("one", cost=output(100))

    assert upstream.level("otpm") == 600


def test_refund_of_what_a_newer_limit_was_not_charged_is_nothing(client: redis.Redis) -> None:
    upstream = Upstream(client, Quota())
    upstream.enqueue("before", cost=output(600))
    upstream.configure(anthropic(WindowKind.SLIDING))
    upstream.now += 2_000
    upstream.enqueue("after", cost=output(400))
    upstream.settle("before", cost=output(100))

    assert upstream.level("otpm") == 600
    assert client.ttl("limits:{d1}:slots:otpm") != -1


def test_refund_never_fills_a_continuous_bucket_beyond_its_limit(client: redis.Redis) -> None:
    upstream = Upstream(client, anthropic(WindowKind.CONTINUOUS))
    upstream.enqueue("one", cost=output(600))
    upstream.now += 30_000
    upstream.settle("one", cost=output(100))

    assert upstream.level("otpm") == 1000


def test_refund_of_what_was_granted_before_the_edge_is_not_taken_from_the_carry(client: redis.Redis) -> None:
    upstream = Upstream(client, replace(anthropic(WindowKind.FIXED), jitter_ms=500))
    upstream.configure()
    upstream.now += 59_800
    upstream.enqueue("one", cost=output(600))
    upstream.now += 1000
    upstream.settle("one", cost=output(100))

    # On which side of the edge the provider counted it is not known, so neither is what it gave back.
    assert upstream.level("otpm") == 400


@pytest.mark.parametrize("kind", list(WindowKind))
def test_more_than_was_charged_counts_from_its_settlement(client: redis.Redis, kind: WindowKind) -> None:
    upstream = Upstream(client, anthropic(kind))
    upstream.enqueue("one", cost=output(100))
    upstream.settle("one", cost=output(600))

    assert upstream.level("otpm") == 400


@pytest.mark.parametrize("kind", list(WindowKind))
def test_bucket_that_was_overdrawn_lets_nobody_through_until_it_is_made_up(
    client: redis.Redis, kind: WindowKind
) -> None:
    upstream = Upstream(client, anthropic(kind))
    upstream.enqueue("one", cost=output(100))
    upstream.settle("one", cost=output(1500))

    assert upstream.level("otpm") == -500
    assert upstream.enqueue(cost=output(1), wait_ms=120_000)["status"] == "waiting"


@pytest.mark.parametrize("kind", list(WindowKind))
def test_provider_that_reserves_gives_nothing_back(client: redis.Redis, kind: WindowKind) -> None:
    upstream = Upstream(client, Quota(tpm=1000, window=kind, jitter_ms=0))
    upstream.enqueue("one", tokens=600)
    upstream.settle("one", tokens=100)

    assert upstream.level("tpm") == 400


@pytest.mark.parametrize("kind", list(WindowKind))
def test_request_that_was_never_sent_is_given_back_by_every_provider(
    client: redis.Redis, kind: WindowKind
) -> None:
    upstream = Upstream(client, Quota(rpm=10, tpm=1000, window=kind, jitter_ms=0))
    upstream.enqueue("one", tokens=600)
    upstream.cancel("one")

    assert (upstream.level("rpm"), upstream.level("tpm")) == (10, 1000)


# Beginnings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(WindowKind))
def test_bucket_whose_kind_changed_begins_empty(client: redis.Redis, kind: WindowKind) -> None:
    other = WindowKind.FIXED if kind is WindowKind.SLIDING else WindowKind.SLIDING
    upstream = Upstream(client, Quota(rpm=10, window=other, jitter_ms=0))
    upstream.configure()
    upstream.configure(Quota(rpm=10, window=kind, jitter_ms=0))
    assert upstream.level("rpm") == 0  # what the provider counts in the other kind of window is not known
    upstream.now += 60_000 + SLOT_MS

    assert upstream.level("rpm") == 10


@pytest.mark.parametrize("kind", list(WindowKind))
def test_day_whose_kind_changed_keeps_what_was_spent(client: redis.Redis, kind: WindowKind) -> None:
    other = WindowKind.FIXED if kind is WindowKind.SLIDING else WindowKind.SLIDING
    upstream = Upstream(client, Quota(rpd=10, day_window=other, jitter_ms=0))
    spend(upstream, 3)
    upstream.configure(Quota(rpd=10, day_window=kind, jitter_ms=0))

    assert upstream.level("rpd") == 7


@pytest.mark.parametrize("kind", list(WindowKind))
def test_bucket_added_later_begins_full(client: redis.Redis, kind: WindowKind) -> None:
    upstream = Upstream(client, Quota(rpm=10, window=kind, jitter_ms=0))
    spend(upstream, 3)
    upstream.configure(Quota(rpm=10, tpm=500, window=kind, jitter_ms=0))

    assert (upstream.level("rpm"), upstream.level("tpm")) == (7, 500)


@pytest.mark.parametrize("kind", list(WindowKind))
@pytest.mark.parametrize("limit", [5, 40])
def test_what_was_spent_stays_spent_when_a_limit_changes(
    client: redis.Redis, kind: WindowKind, limit: int
) -> None:
    upstream = Upstream(client, Quota(rpm=10, window=kind, jitter_ms=0))
    spend(upstream, 10)
    upstream.configure(Quota(rpm=limit, window=kind, jitter_ms=0))

    earned = limit == 40 and kind is not WindowKind.CONTINUOUS  # a window is counted by what was used of it
    assert upstream.level("rpm") == (30 if earned else 0 if kind is WindowKind.CONTINUOUS else -5)


@pytest.fixture
def lost(client: redis.Redis) -> redis.Redis:
    """A Redis that lost its data at the start of the clock, and a process that saw it."""
    witness = Upstream(client, name="d9")
    witness.configure()
    client.flushdb()
    publish(client, free={})
    witness.configure()
    return client


@pytest.mark.parametrize("kind", list(WindowKind))
def test_bucket_begins_empty_after_lost_data(lost: redis.Redis, kind: WindowKind) -> None:
    upstream = Upstream(lost, Quota(rpm=10, window=kind, jitter_ms=0))
    upstream.configure()

    assert upstream.level("rpm") == 0
    upstream.now += 60_000 + SLOT_MS
    assert upstream.level("rpm") == 10


@pytest.mark.parametrize("kind", list(WindowKind))
@pytest.mark.parametrize(("unit", "window_ms"), [("rpm", 60_000), ("rpd", 86_400_000)])
def test_upstream_made_long_after_lost_data_begins_full(
    lost: redis.Redis, kind: WindowKind, unit: str, window_ms: int
) -> None:
    quota = Quota(**{unit: 10, "window": kind, "day_window": kind, "jitter_ms": 0})  # type: ignore[arg-type]
    upstream = Upstream(lost, quota)
    upstream.now += window_ms * 1.1
    upstream.configure()

    assert upstream.level(unit) == 10


@pytest.mark.parametrize("kind", list(WindowKind))
def test_process_that_saw_more_empties_what_another_began(client: redis.Redis, kind: WindowKind) -> None:
    quota = Quota(rpm=10, window=kind, jitter_ms=0)
    witness = Upstream(client, quota)
    witness.enqueue()
    client.flushdb()
    publish(client, free={})
    Upstream(client, quota, process="p2").configure()

    assert witness.enqueue(wait_ms=120_000)["status"] == "waiting"
    assert witness.level("rpm") == 0
    assert Upstream(client, quota, process="p3").level("rpm") == 0


def test_day_begins_with_what_came_back_since_the_data_was_lost(lost: redis.Redis) -> None:
    upstream = Upstream(lost, Quota(rpd=24, jitter_ms=0))
    upstream.now += 3_600_000
    upstream.configure()

    assert upstream.level("rpd") == pytest.approx(12 + 1)  # half of a day's quota is taken to be spent

"""Demand replayed under a virtual clock on a Redis of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from readiness.lib.scopes import Scope
from readiness.limits.private_redis import PrivateRedis, private_redis
from readiness.limits.replay import Demand, Edit, Fate, Upstream, World, replay
from readiness.limits.replay_figures import Figures, figures_of
from readiness.limits.tickets import Cost
from readiness.providers.base import Quota
from tests.limits.harness import START_MS

ONE_A_SECOND = Quota(rpm=60, jitter_ms=0)


@pytest.fixture(scope="module")
def private() -> Iterator[PrivateRedis]:
    with private_redis() as redis:
        yield redis


def policy(caps: Mapping[str, Any] | None = None, **tiers: Mapping[str, Any]) -> dict[str, Any]:
    """As ``published_fields`` gives it; weight 1 and a wait of ten minutes where a tier says nothing else."""
    lines = {
        f"tier:{name}": {"weight": 1, "wait_ms": 600_000, "limits": {}} | dict(tier)
        for name, tier in tiers.items()
    }
    return {**lines, "lowest_weight": 1} | {f"cap:{scope}": limits for scope, limits in (caps or {}).items()}


def world(fields: Mapping[str, Any] | None = None, **values: Any) -> World:
    upstreams = {"d1": Upstream(quota=values.pop("quota", ONE_A_SECOND))}
    return World(
        policy=fields or policy(free={}, pro={}), upstreams=upstreams, zone=ZoneInfo("UTC"), **values
    )


def request(at_ms: int = 0, **values: Any) -> Demand:
    """One request of ten tokens ``at_ms`` after the start; a call of it takes a second."""
    cost = Cost(tokens=10, input_tokens=5, output_tokens=5)
    asked: dict[str, Any] = {
        "upstream": "d1",
        "tier": "free",
        "tenant": "t",
        "cost": cost,
        "actual": cost,
        "tokens": 10,
        "nanos": 1_000,
        "hold_ms": 1_000,
    }
    return Demand(at_ms=START_MS + at_ms, **(asked | values))


def burst(count: int, **values: Any) -> list[Demand]:
    return [request(i, **values) for i in range(count)]


def figures(private: PrivateRedis, demand: Sequence[Demand], setting: World) -> Figures:
    return figures_of(replay(private, demand, setting), setting)


def p99(found: Figures) -> dict[str, int | None]:
    return {group.name: group.p99_ms for group in found.groups}


def both_tiers(count: int) -> list[Demand]:
    return [request(i, tier=("free", "pro")[i % 2]) for i in range(count)]


def test_request_that_finds_quota_does_not_wait(private: PrivateRedis) -> None:
    (fate,) = replay(private, [request()], world())

    assert (fate.status, fate.waited_ms) == ("granted", 0)


def test_waits_follow_the_quota(private: PrivateRedis) -> None:
    """Sixty are in the bucket, and one comes back each second."""
    fates = replay(private, [request() for _ in range(63)], world())

    assert [fate.waited_ms for fate in fates[-4:]] == [0, 1_000, 2_000, 3_000]


def test_place_is_held_for_as_long_as_the_provider_takes(private: PrivateRedis) -> None:
    one_place = world(quota=Quota(concurrency=1, jitter_ms=0))
    fates = replay(private, [request(0, hold_ms=7_000), request(1, hold_ms=3_000), request(2)], one_place)

    assert [fate.waited_ms for fate in fates] == [0, 6_999, 9_998]


def test_long_calls_do_not_pass_for_an_outage(private: PrivateRedis) -> None:
    """After a silence the limiter counts half of the time; a call that is in flight is none."""
    demand = [*(request(0, hold_ms=40_000) for _ in range(60)), *(request(30_000) for _ in range(31))]
    fates = replay(private, demand, world())

    assert [fate.waited_ms for fate in fates[-2:]] == [0, 1_000]


def test_same_demand_gives_the_same_outcome(private: PrivateRedis) -> None:
    demand = [request(37 * i, tier=("free", "pro")[i % 3 == 0], tenant=str(i % 4)) for i in range(200)]

    assert replay(private, demand, world()) == replay(private, demand, world())


def test_tier_of_more_weight_waits_less(private: PrivateRedis) -> None:
    demand = both_tiers(160)
    before = p99(figures(private, demand, world()))
    after = p99(figures(private, demand, world(policy(free={}, pro={"weight": 8}))))

    assert after["pro"] < before["pro"]  # type: ignore[operator]
    assert after["free"] >= before["free"]  # type: ignore[operator]


def test_refusals_are_counted_by_reason_and_limit(private: PrivateRedis) -> None:
    capped = world(policy({"project:3": {"rpm": 2}}, free={}))
    (found,) = figures(private, burst(5, project_id=3), capped).refusals

    assert (found.group, found.reason, found.limit, found.count) == ("free", "over_cap", "project:3 rpm", 3)


def test_request_that_would_wait_too_long_is_refused(private: PrivateRedis) -> None:
    impatient = world(policy(free={"wait_ms": 2_500}))
    fates = replay(private, [request() for _ in range(64)], impatient)

    assert [fate.reason for fate in fates[-3:]] == ["", "would_time_out", "would_time_out"]


def test_waiters_that_are_overtaken_give_up_at_their_deadline(private: PrivateRedis) -> None:
    """Free is let in with a wait of five seconds ahead, and then somebody of far more weight comes."""
    setting = world(policy(free={"wait_ms": 6_000}, pro={"weight": 100}))
    fates = replay(private, [*burst(65), *(request(1_000, tier="pro") for _ in range(20))], setting)
    given_up = [fate for fate in fates if fate.status == "expired"]

    assert given_up
    assert {(fate.waited_ms // 100, fate.reason) for fate in given_up} == {(60, "timed_out")}


def test_budget_begins_at_what_was_spent(private: PrivateRedis) -> None:
    asked = []

    def spending(scope: Scope, since: datetime, until: datetime) -> int:
        asked.append((str(scope), since, until))
        return 8_000

    budget = world(policy({"site": {"day": 10_000}}, free={}), spending=spending)
    fates = replay(private, burst(4), budget)

    assert [fate.status for fate in fates] == ["granted", "granted", "refused", "refused"]
    start = datetime.fromtimestamp(START_MS / 1000, UTC)
    assert asked[0] == ("site", start.replace(hour=0), start)


def test_budget_of_the_next_day_begins_empty(private: PrivateRedis) -> None:
    budget = world(policy({"site": {"day": 1_000}}, free={}), spending=lambda scope, since, until: 1_000)
    tomorrow = round(timedelta(hours=17) / timedelta(milliseconds=1))
    fates = replay(private, [request(), request(tomorrow)], budget)

    assert [fate.status for fate in fates] == ["refused", "granted"]


def test_account_holds_all_of_its_upstreams(private: PrivateRedis) -> None:
    shared = Upstream(quota=Quota(rpm=600, jitter_ms=0), account="a1", account_quota=ONE_A_SECOND)
    setting = World(policy=policy(free={}), upstreams={"d1": shared, "d2": shared}, zone=ZoneInfo("UTC"))
    demand = [*burst(60), request(100, upstream="d2")]

    assert replay(private, demand, setting)[-1].waited_ms > 0


def test_nothing_of_a_replay_is_left(private: PrivateRedis) -> None:
    replay(private, burst(70), world())

    assert private.client.dbsize() == 0


def test_progress_counts_to_the_end(private: PrivateRedis) -> None:
    told: list[int] = []
    replay(private, burst(30), world(), told.append)

    assert told[-1] == 30


def test_progress_may_end_the_replay(private: PrivateRedis) -> None:
    def stop(done: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        replay(private, burst(3), world(), stop)
    assert private.client.dbsize() == 0


def test_no_demand_has_no_fates(private: PrivateRedis) -> None:
    assert replay(private, [], world()) == []


def test_edit_changes_the_order_of_those_who_wait(private: PrivateRedis) -> None:
    edit = Edit(at_ms=START_MS + 10_000, policy=policy(free={}, pro={"weight": 16}))
    before = p99(figures(private, both_tiers(160), world()))
    after = p99(figures(private, both_tiers(160), world(edit=edit)))

    assert after["pro"] < before["pro"]  # type: ignore[operator]


# Figures -----------------------------------------------------------------------------------------------


def fate(waited_ms: int = 0, status: str = "granted", **values: Any) -> Fate:
    return Fate(request(**values), status=status, waited_ms=waited_ms)


def test_quantiles_are_those_of_requests_let_through() -> None:
    fates = [*(fate(i) for i in range(1, 101)), fate(9_999, "expired"), fate(status="refused")]
    (group,) = figures_of(fates, world()).groups

    assert (group.p50_ms, group.p99_ms, group.longest_ms) == (50, 99, 100)
    assert (group.asked, group.granted, group.expired, group.refused) == (102, 100, 1, 1)


def test_money_and_shares_are_those_of_requests_let_through() -> None:
    fates = [fate(tier="pro"), *(fate() for _ in range(3)), fate(status="refused", nanos=77)]
    free, pro = figures_of(fates, world()).groups

    assert (free.nanos, free.share, pro.share) == (3_000, 0.75, 0.25)


def test_group_of_its_own_is_counted_apart() -> None:
    found = figures_of([fate(), fate(group="free (overridden)")], world())

    assert [group.name for group in found.groups] == ["free", "free (overridden)"]


def test_series_has_the_waits_of_each_window() -> None:
    (group,) = figures_of([fate(5), fate(7), fate(9, at_ms=1_000)], world()).groups

    assert list(group.p99_series[:3]) == [7, 9, None]


def test_quota_use_counts_a_full_bucket_and_what_came_back() -> None:
    fates = [fate() for _ in range(60)]
    fates += [fate(60_000) for _ in range(30)]
    (use,) = figures_of(fates, world()).quota

    assert (use.limit, use.share) == ("rpm", 0.75)


def test_quota_use_spans_the_demand_whoever_was_let_through() -> None:
    (use,) = figures_of([fate(), fate(status="refused", at_ms=60_000)], world()).quota

    assert use.share == pytest.approx(1 / 120)


def test_figures_come_back_from_json_as_they_were() -> None:
    found = figures_of([fate(5), fate(status="refused")], world())

    assert Figures.from_json(found.to_json()).to_json() == found.to_json()


def test_nobody_let_through_has_no_waits() -> None:
    refused = replace(fate(), status="refused")
    found = figures_of([refused], world())

    assert (found.groups[0].p99_ms, found.groups[0].share, found.quota) == (None, None, [])

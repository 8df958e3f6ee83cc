"""What subjects and tiers may use: refused at once, reserved before the queue, settled to the actual."""

import json
from typing import Any

import pytest
import redis

from readiness.limits.tickets import Cost
from readiness.providers.base import Accounting, Quota
from tests.limits.harness import LEASE_MS, Upstream, publish
from tests.limits.test_publication import at

ANN: dict[str, Any] = {"project_id": 1, "api_key": "k1", "end_user": "ann"}
TODAY, TOMORROW = at("2027-01-15T00:00Z"), at("2027-01-16T00:00Z")
THIS_MONTH, NEXT_MONTH = at("2027-01-01T00:00Z"), at("2027-02-01T00:00Z")


def capped(client: redis.Redis, quota: Quota | None = None, **caps: dict[str, int]) -> Upstream:
    """Caps by scope; money is known to be untouched."""
    named = {scope.replace("__", ":"): limits for scope, limits in caps.items()}
    publish(client, named, free={})
    upstream = Upstream(client, quota or Quota(jitter_ms=0))
    upstream.configure()
    for scope in named:
        upstream.load_money(scope)
    return upstream


def spent(upstream: Upstream, scope: str = "project:1") -> tuple[int, int]:
    """Nano-dollars of the day and of the month, reservations included."""
    answer = upstream.run("spent", scope)
    return int(answer["day"]), int(answer["month"])


# Who is capped --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cap", "limit"),
    [
        ("site", "site rpm"),
        ("project:1", "project:1 rpm"),
        ("key:k1", "key:k1 rpm"),
        ("user:1:ann", "user:1:ann rpm"),
        ("users:1", "user:1:ann rpm"),
    ],
)
def test_call_over_a_cap_is_refused_at_once_and_told_which(
    redis_server: redis.Redis, cap: str, limit: str
) -> None:
    upstream = capped(redis_server, **{cap: {"rpm": 2}})
    answers = [upstream.enqueue(**ANN) for _ in range(3)]

    assert [answer["status"] for answer in answers] == ["granted", "granted", "refused"]
    assert (answers[2]["reason"], answers[2]["limit"], answers[2]["retry_after_ms"]) == (
        "over_cap",
        limit,
        "30000",
    )


@pytest.mark.parametrize("cap", ["project:2", "key:k2", "user:1:bob", "users:2", "user:2:ann"])
def test_cap_of_another_does_not_count(redis_server: redis.Redis, cap: str) -> None:
    upstream = capped(redis_server, **{cap: {"rpm": 1}})

    assert {upstream.enqueue(**ANN)["status"] for _ in range(3)} == {"granted"}


def test_cap_of_each_end_user_counts_them_apart(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, users__1={"rpm": 1})
    upstream.enqueue(**ANN)

    assert upstream.enqueue(**ANN | {"end_user": "bob"})["status"] == "granted"


def test_cap_of_one_end_user_takes_the_place_of_that_of_each(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, users__1={"rpm": 1}, user__1__ann={"rpm": 2})
    answers = [upstream.enqueue(**ANN)["status"] for _ in range(3)]

    assert answers == ["granted", "granted", "refused"]


def test_calls_over_all_upstreams_count_for_one_cap(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, site={"rpm": 1})
    upstream.enqueue()

    assert Upstream(redis_server, name="d2").enqueue()["reason"] == "over_cap"


def test_cap_comes_back_continuously(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, site={"rpm": 2})
    for _ in range(2):
        upstream.enqueue()
    upstream.now += 29_999
    assert upstream.enqueue()["retry_after_ms"] == "1"
    upstream.now += 1

    assert upstream.enqueue()["status"] == "granted"


def test_request_above_a_whole_cap_is_told_so(redis_server: redis.Redis) -> None:
    answer = capped(redis_server, site={"tpm": 100}).enqueue(tokens=101)

    assert (answer["reason"], answer["retry_after_ms"]) == ("too_large_for_cap", "0")


def test_cap_changed_by_a_publication_counts_from_the_next_call_on(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, site={"rpm": 1})
    upstream.enqueue()
    publish(redis_server, {"site": {"rpm": 120}}, free={})
    upstream.now += 500

    assert upstream.enqueue()["status"] == "granted"


def test_refusal_is_recorded_with_its_limit(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, site={"rpm": 1})
    for _ in range(2):
        upstream.enqueue()
    (event,) = upstream.events()

    assert (event.outcome, event.error_class, event.refused_by, event.retry_after_ms) == (
        "refused",
        "over_cap",
        "site rpm",
        60_000,
    )


# Reservations ---------------------------------------------------------------------------------------------

MONEY = {"day": 1000, "month": 5000}


def test_waiting_request_has_reserved_already(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, Quota(concurrency=1), project__1=MONEY)
    for _ in range(2):
        upstream.enqueue(nanos=400, **ANN)

    assert spent(upstream) == (800, 800)
    assert upstream.enqueue(nanos=400, **ANN)["limit"] == "project:1 day"


def test_refusal_by_one_cap_reserves_nothing_of_another(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, site={"rpm": 1} | MONEY, project__1=MONEY)
    upstream.enqueue(nanos=100, **ANN)
    upstream.enqueue(nanos=100, **ANN)

    assert spent(upstream) == spent(upstream, "site") == (100, 100)


@pytest.mark.parametrize("reason", ["queue_full", "would_time_out", "out_of_credit", "too_large"])
def test_refusal_for_another_reason_reserves_nothing(redis_server: redis.Redis, reason: str) -> None:
    upstream = capped(redis_server, Quota(rpm=1, tpm=100, jitter_ms=0), project__1=MONEY | {"rpm": 5})
    upstream.enqueue(nanos=100, **ANN)
    request: dict[str, Any] = {
        "queue_full": {"most_waiters": 0},
        "would_time_out": {"wait_ms": 1},
        "out_of_credit": {},
        "too_large": {"tokens": 101},
    }[reason]
    if reason == "out_of_credit":
        upstream.feedback(reason)
    answer = upstream.enqueue(nanos=100, **request, **ANN)

    assert answer["reason"] == reason
    assert spent(upstream) == (100, 100)


@pytest.mark.parametrize("granted", [False, True])
def test_cancelled_request_gives_its_reservation_back(redis_server: redis.Redis, granted: bool) -> None:
    upstream = capped(redis_server, Quota(concurrency=1), project__1=MONEY | {"rpm": 2, "tpm": 50})
    if not granted:
        upstream.enqueue("other")
    upstream.enqueue("one", nanos=400, tokens=50, **ANN)
    upstream.cancel("one")
    upstream.settle("other")

    assert spent(upstream) == (0, 0)
    assert upstream.enqueue(tokens=50, **ANN)["status"] == "granted"


def test_expired_request_gives_its_reservation_back(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, Quota(concurrency=1), project__1=MONEY)
    upstream.enqueue("other")
    upstream.enqueue(nanos=400, wait_ms=1000, **ANN)
    upstream.now += 1001
    upstream.dispatch()

    assert spent(upstream) == (0, 0)


@pytest.mark.parametrize("actual", [0, 150, 400, 900])
def test_settlement_replaces_the_reservation_by_what_was_spent(
    redis_server: redis.Redis, actual: int
) -> None:
    upstream = capped(redis_server, project__1=MONEY)
    upstream.enqueue("one", nanos=400, **ANN)
    upstream.settle("one", cost_nanos=actual)

    assert spent(upstream) == (actual, actual)


def test_second_settlement_spends_nothing(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, project__1=MONEY)
    upstream.enqueue("one", nanos=400, **ANN)
    for _ in range(2):
        upstream.settle("one", cost_nanos=300)

    assert spent(upstream) == (300, 300)


@pytest.mark.parametrize(("actual", "left"), [(10, 90), (90, 10)])
def test_tokens_of_a_cap_are_settled_to_the_actual(redis_server: redis.Redis, actual: int, left: int) -> None:
    upstream = capped(redis_server, site={"tpm": 100})
    upstream.enqueue("one", tokens=60)
    upstream.settle("one", tokens=actual)

    assert upstream.enqueue(tokens=left + 1)["reason"] == "over_cap"
    assert upstream.enqueue(tokens=left)["status"] == "granted"


@pytest.mark.parametrize(("actual", "left"), [(10, 90), (90, 10)])
def test_tokens_of_a_tier_are_settled_to_the_actual(
    redis_server: redis.Redis, actual: int, left: int
) -> None:
    publish(redis_server, free={"tpm": 100})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    upstream.enqueue("one", tokens=60)
    upstream.settle("one", tokens=actual)

    assert upstream.enqueue(tokens=left)["status"] == "granted"
    assert upstream.enqueue(tokens=1)["status"] == "waiting"


def test_tier_gets_back_what_was_never_sent(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"tpm": 100, "rpm": 1})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    upstream.enqueue("one", tokens=100)
    upstream.cancel("one")

    assert upstream.enqueue(tokens=100)["status"] == "granted"


def test_share_of_a_tier_is_settled_to_the_actual(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"share_cap": 0.5})
    upstream = Upstream(redis_server, Quota(tpm=1000, jitter_ms=0, accounting=Accounting.ANTHROPIC))
    upstream.enqueue("one", tokens=500)
    upstream.settle("one", tokens=100)

    assert upstream.enqueue(tokens=400)["status"] == "granted"
    assert upstream.enqueue(tokens=1)["status"] == "waiting"


def test_money_counts_although_the_upstream_is_forgotten(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, project__1=MONEY)
    forgotten = Upstream(redis_server, name="d2")
    forgotten.settle("late", cost_nanos=400, scopes=("project:1",))

    assert spent(upstream) == (400, 400)


def test_orphan_keeps_its_estimate_until_it_is_settled(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, project__1=MONEY)
    upstream.enqueue("one", nanos=400, **ANN)
    upstream.now += LEASE_MS
    upstream.dispatch()
    assert spent(upstream) == (400, 400)
    upstream.settle("one", cost_nanos=100)

    assert spent(upstream) == (100, 100)


def test_call_that_redis_did_not_admit_is_spent_afterwards(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, Quota(tpm=100, jitter_ms=0), project__1=MONEY)
    upstream.settle("unknown", tokens=30, cost_nanos=250, scopes=["project:1", "tier:free"])

    assert spent(upstream) == (250, 250)
    assert upstream.level("tpm") == 70


def test_waiting_request_that_was_sent_all_the_same_is_charged(redis_server: redis.Redis) -> None:
    quota = Quota(tpm=100, concurrency=1, jitter_ms=0)
    upstream = capped(redis_server, quota, project__1=MONEY)
    upstream.enqueue("other", tokens=10)
    upstream.enqueue("sent without redis", tokens=30, nanos=400, **ANN)
    upstream.settle("sent without redis", tokens=30, cost_nanos=250, scopes=["project:1"])

    assert spent(upstream) == (250, 250)
    assert (upstream.level("tpm"), upstream.inspect()["waiting"]) == (60, 0)


# Days and months ------------------------------------------------------------------------------------------


def test_money_is_refused_until_its_window_ends(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, project__1={"day": 100, "month": 150})
    upstream.enqueue(nanos=100, **ANN)
    of_day = upstream.enqueue(nanos=1, **ANN)
    upstream.now = TOMORROW
    of_month = upstream.enqueue(nanos=51, **ANN)

    assert (of_day["reason"], of_day["limit"]) == ("budget_exceeded", "project:1 day")
    assert of_day["retry_after_ms"] == str(TOMORROW - at("2027-01-15T08:00Z"))
    assert (of_month["limit"], of_month["retry_after_ms"]) == (
        "project:1 month",
        str(NEXT_MONTH - TOMORROW),
    )


def test_last_nano_dollar_may_be_spent(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, project__1={"day": 100})

    assert upstream.enqueue(nanos=100, **ANN)["status"] == "granted"


def test_day_begins_anew_at_its_edge_and_the_month_goes_on(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, project__1=MONEY)
    upstream.enqueue(nanos=400, **ANN)
    upstream.now = TOMORROW - 1
    assert spent(upstream) == (400, 400)
    upstream.now += 1
    assert spent(upstream) == (0, 400)
    upstream.now = NEXT_MONTH

    assert spent(upstream) == (0, 0)


def test_call_over_midnight_counts_where_it_ended(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, project__1=MONEY)
    upstream.now = TOMORROW - 1000
    upstream.enqueue("one", nanos=400, **ANN)
    upstream.now = TOMORROW + 1000
    upstream.settle("one", cost_nanos=300)

    assert spent(upstream) == (300, 300)


def test_refund_of_yesterday_is_not_given_to_today(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, project__1=MONEY)
    upstream.now = TOMORROW - 1000
    upstream.enqueue("one", nanos=400, **ANN)
    upstream.now = TOMORROW + 1000
    upstream.enqueue(nanos=100, **ANN)
    upstream.cancel("one")

    assert spent(upstream) == (100, 100)


def test_unknown_money_is_closed_until_it_is_loaded(redis_server: redis.Redis) -> None:
    publish(redis_server, {"project:1": MONEY}, free={"day": 100})
    upstream = Upstream(redis_server)
    answer = upstream.enqueue("one", **ANN)

    assert answer["status"] == "unloaded"
    assert sorted(json.loads(answer["money"])) == [
        ["project:1", TODAY, THIS_MONTH],
        ["tier:free", TODAY, THIS_MONTH],
    ]
    assert upstream.events() == []


def test_loaded_money_counts(redis_server: redis.Redis) -> None:
    publish(redis_server, {"project:1": MONEY}, free={})
    upstream = Upstream(redis_server)
    upstream.load_money("project:1", 900, 2000)

    assert upstream.enqueue(nanos=101, **ANN)["limit"] == "project:1 day"
    assert upstream.enqueue(nanos=100, **ANN)["status"] == "granted"
    assert spent(upstream) == (1000, 2100)


def test_loading_again_changes_nothing_that_is_known(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, project__1=MONEY)
    upstream.enqueue(nanos=400, **ANN)
    upstream.load_money("project:1", 7, 7)

    assert spent(upstream) == (400, 400)


def test_large_money_is_exact(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, site={"month": 8_999_999_990_000_000})
    upstream.enqueue(nanos=8_999_999_989_999_999)

    assert upstream.enqueue(nanos=2)["reason"] == "budget_exceeded"
    assert spent(upstream, "site")[1] == 8_999_999_989_999_999
    assert upstream.enqueue(nanos=1)["status"] == "granted"


# Tiers and their overrides --------------------------------------------------------------------------------


def lines(upstream: Upstream) -> set[str]:
    return {name for name, line in upstream.inspect()["lines"].items() if line["waiting"]}


def test_money_of_a_tier_refuses(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"day": 100})
    upstream = Upstream(redis_server)
    upstream.load_money("tier:free")
    upstream.enqueue(nanos=60)

    assert upstream.enqueue(nanos=60)["limit"] == "tier:free day"


def test_requests_of_a_tier_wait(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"rpm": 2})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    for name in ("one", "two", "three"):
        upstream.enqueue(name)
    for _ in range(30):
        assert upstream.granted() == []
        upstream.now += 1000
        upstream.dispatch()

    assert upstream.granted() == ["three"]


def test_tiers_own_bucket_is_shared_by_all_upstreams(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"rpm": 2})
    upstream, other = Upstream(redis_server), Upstream(redis_server, name="d2")
    for _ in range(2):
        upstream.enqueue()

    assert other.enqueue()["status"] == "waiting"


def overridden(client: redis.Redis, **override: Any) -> Upstream:
    """Tier free with 2 requests a minute, overridden for project 1."""
    publish(client, **{"free": {"rpm": 2}, "free/1": override})
    return Upstream(client, Quota(jitter_ms=0))


def test_override_has_a_line_of_its_own(redis_server: redis.Redis) -> None:
    upstream = overridden(redis_server, rpm=1)
    for project in (1, 1, 2, 2, 2):
        upstream.enqueue(project_id=project)

    assert lines(upstream) == {"tier:free", "tier:free/1"}


def test_limit_that_an_override_sets_has_a_bucket_of_its_own(redis_server: redis.Redis) -> None:
    upstream = overridden(redis_server, rpm=1)
    for _ in range(2):
        upstream.enqueue()

    assert upstream.enqueue(project_id=1)["status"] == "granted"
    assert upstream.enqueue(project_id=1)["status"] == "waiting"


def test_limit_that_an_override_inherits_counts_in_the_tiers_bucket(redis_server: redis.Redis) -> None:
    upstream = overridden(redis_server, rpm=(2, "tier:free"), weight=9)
    upstream.enqueue()
    upstream.enqueue(project_id=1)

    assert upstream.enqueue()["status"] == upstream.enqueue(project_id=1)["status"] == "waiting"


def test_end_users_override_goes_before_the_projects(redis_server: redis.Redis) -> None:
    publish(redis_server, **{"free": {}, "free/1": {"rpm": 1}, "free/1/ann": {"rpm": 2}})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    answers = [upstream.enqueue(**ANN)["status"] for _ in range(3)]

    assert answers == ["granted", "granted", "waiting"]
    assert lines(upstream) == {"tier:free/1/ann"}


@pytest.mark.parametrize("request_", [{"project_id": 2, "end_user": "ann"}, {"end_user": "ann"}, {}])
def test_override_is_of_its_project_alone(redis_server: redis.Redis, request_: dict[str, Any]) -> None:
    upstream = overridden(redis_server, rpm=1)
    answers = [upstream.enqueue(**request_)["status"] for _ in range(3)]

    assert answers == ["granted", "granted", "waiting"]
    assert lines(upstream) == {"tier:free"}


def test_waiting_request_whose_override_was_removed_follows_the_tier(redis_server: redis.Redis) -> None:
    upstream = overridden(redis_server, rpm=1)
    for name in ("one", "two"):
        upstream.enqueue(name, project_id=1)
    publish(redis_server, free={})
    upstream.now += 1000  # a line that sleeps looks again after a second
    upstream.dispatch()

    assert upstream.granted() == ["two"]


def test_changed_limit_reaches_those_who_wait_within_a_second(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"rpm": 1})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    for name in ("one", "two"):
        upstream.enqueue(name)
    publish(redis_server, free={"rpm": 600})
    upstream.now += 1000
    upstream.dispatch()

    assert upstream.granted() == ["two"]


def test_share_cap_holds_its_line_and_no_other(redis_server: redis.Redis) -> None:
    publish(redis_server, job={"share_cap": 0.25}, free={})
    upstream = Upstream(redis_server, Quota(rpm=60, jitter_ms=0))
    jobs = [upstream.enqueue(tier="job", wait_ms=600_000)["status"] for _ in range(30)]

    assert jobs.count("granted") == 15
    assert upstream.enqueue(tier="free")["status"] == "granted"
    assert upstream.inspect()["lines"]["tier:job"]["waiting"] == 15


def test_share_cap_comes_back_at_its_part_of_the_quota(redis_server: redis.Redis) -> None:
    publish(redis_server, job={"share_cap": 0.25}, free={})
    upstream = Upstream(redis_server, Quota(rpm=60, jitter_ms=0))
    for _ in range(30):
        upstream.enqueue(tier="job", wait_ms=600_000)
    for _ in range(40):
        upstream.now += 1000
        upstream.dispatch()

    assert len(upstream.granted()) == 10


def test_cost_of_a_request_counts_in_money_and_in_units(redis_server: redis.Redis) -> None:
    upstream = capped(redis_server, site={"tpm": 100, "rpm": 3, "day": 1000})
    upstream.enqueue("one", cost=Cost(input_tokens=60, output_tokens=40), nanos=1000)

    assert upstream.enqueue(tokens=1, nanos=0)["limit"] == "site tpm"
    assert upstream.enqueue(cost=Cost(tokens=0), nanos=1)["limit"] == "site day"

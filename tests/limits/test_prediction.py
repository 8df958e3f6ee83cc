"""The wait that is predicted when a request queues, against the wait that then comes."""

from dataclasses import dataclass, replace
from random import Random
from statistics import median
from typing import Any

import pytest
import redis

from readiness.providers.base import Quota, WindowKind
from tests.limits.harness import Upstream, publish


@dataclass
class Mix:
    """Requests that all arrive at once, and calls that take so long."""

    quota: Quota
    tiers: dict[str, dict[str, Any]]
    sources: list[tuple[str, str, int]]
    """Tier, tenant, and how many tokens at most."""
    requests: int = 180
    call_ms: int = 0
    median_error: float = 0.02
    """Relative, of the waits beyond five seconds."""
    largest_error: float = 0.1


def random_() -> Random:
    """The same arrivals with every run."""
    return Random(7)


RPM_60 = Quota(rpm=60, jitter_ms=0)
RPM_600_SLIDING = Quota(rpm=600, window=WindowKind.SLIDING, jitter_ms=0)
MIXES = {
    "one tenant": Mix(RPM_60, {"free": {}}, [("free", "a", 1)]),
    "tokens of many sizes": Mix(Quota(rpm=600, tpm=6000, jitter_ms=0), {"free": {}}, [("free", "a", 200)]),
    "limit of the tier": Mix(Quota(jitter_ms=0), {"free": {"rpm": 60}}, [("free", "a", 1)]),
    "fixed window": Mix(replace(RPM_60, window=WindowKind.FIXED), {"free": {}}, [("free", "a", 1)]),
    # Who comes later changes the turn of those who wait: tenants and tiers share.
    "equal tenants": Mix(
        RPM_60, {"free": {}}, [("free", name, 1) for name in "abcd"], median_error=0.1, largest_error=0.55
    ),
    "tiers by weight": Mix(
        Quota(rpm=120, jitter_ms=0),
        {"pro": {"weight": 4}, "free": {"weight": 1}},
        [("pro", "a", 1), ("free", "b", 1)],
        median_error=0.1,
        largest_error=0.55,
    ),
    # Calls end together, and so do places come free; the prediction takes them to be spread evenly.
    "places": Mix(
        Quota(concurrency=4),
        {"free": {}},
        [("free", "a", 1)],
        call_ms=3000,
        median_error=0.15,
        largest_error=0.5,
    ),
    "sliding window": Mix(replace(RPM_60, window=WindowKind.SLIDING), {"free": {}}, [("free", "a", 1)]),
}


def play(upstream: Upstream, mix: Mix) -> list[tuple[float, float]]:
    """Predicted and actual wait in seconds of everybody who had to wait."""
    predicted: dict[str, float] = {}
    actual: dict[str, float] = {}
    running: list[tuple[float, str]] = []
    warm = upstream.enqueue(tier=mix.sources[0][0])  # so that it is known how long a call takes
    upstream.now += mix.call_ms
    upstream.settle(warm["id"])
    start, random = upstream.now, random_()
    for number in range(mix.requests):
        tier, tenant, most = random.choice(mix.sources)
        tokens = random.randint(1, most)
        answer = upstream.enqueue(f"q{number}", tier=tier, tenant=tenant, tokens=tokens, wait_ms=86_400_000)
        if answer["status"] == "waiting":
            predicted[answer["id"]] = int(answer["predicted_ms"]) / 1000
        else:
            running.append((upstream.now + mix.call_ms, answer["id"]))
    while len(actual) < len(predicted):
        upstream.now += min(250, upstream.dispatch())
        for name in upstream.granted():
            actual[name] = (upstream.now - start) / 1000
            running.append((upstream.now + mix.call_ms, name))
        for end, name in [call for call in running if call[0] <= upstream.now]:
            running.remove((end, name))
            upstream.settle(name)
    return [(predicted[name], actual[name]) for name in predicted]


@pytest.mark.parametrize("name", MIXES)
def test_predicted_wait_is_near_the_actual(redis_server: redis.Redis, name: str) -> None:
    mix = MIXES[name]
    publish(redis_server, **mix.tiers)
    upstream = Upstream(redis_server, mix.quota)
    upstream.configure()
    waits = play(upstream, mix)
    errors = [abs(predicted - actual) / actual for predicted, actual in waits if actual > 5]

    assert len(errors) >= 50
    assert median(errors) <= mix.median_error
    assert max(errors) <= mix.largest_error


def test_request_that_cannot_be_served_in_time_is_told_when_to_try_again(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, RPM_60)
    for _ in range(60 + 30):
        upstream.enqueue(wait_ms=3_600_000)
    refused = upstream.enqueue(wait_ms=10_250)
    assert (refused["reason"], refused["limit"]) == ("would_time_out", "provider rpm")
    for _ in range(round(int(refused["retry_after_ms"]) / 500)):
        upstream.now += 500
        upstream.dispatch()
    upstream.granted()
    again = upstream.enqueue(wait_ms=10_250)
    assert again["status"] == "waiting"
    for _ in range(10):
        upstream.now += 1000
        upstream.dispatch()

    assert again["id"] in upstream.granted()


@pytest.mark.parametrize(
    ("quota", "account", "tier", "limit"),
    [
        (Quota(rpm=6000, tpm=60, jitter_ms=0), None, {}, "provider tpm"),
        (Quota(rpm=6000, rpd=30, jitter_ms=0), None, {}, "provider rpd"),
        (Quota(rpm=6000, jitter_ms=0), Quota(rpm=60), {}, "account rpm"),
        (Quota(rpm=6000, jitter_ms=0), None, {"rpm": 60}, "tier:free rpm"),
        (Quota(rpm=6000, jitter_ms=0), None, {"share_cap": 0.01}, "tier:free share"),
    ],
)
def test_refusal_names_the_limit_that_would_take_too_long(
    redis_server: redis.Redis, quota: Quota, account: Quota | None, tier: dict[str, Any], limit: str
) -> None:
    publish(redis_server, free=tier)
    upstream = Upstream(redis_server, quota)
    upstream.account_quota = account
    answers = [upstream.enqueue(wait_ms=5_000) for _ in range(90)]

    assert {answer.get("limit") for answer in answers if answer["status"] == "refused"} == {limit}


def test_what_heavier_tiers_go_on_asking_for_is_foreseen(redis_server: redis.Redis) -> None:
    publish(redis_server, pro={"weight": 16}, free={})
    upstream = Upstream(redis_server, Quota(rpm=600, jitter_ms=0))
    for number in range(600):
        upstream.enqueue(f"start{number}")
    endings, foreseen = [], 0
    for tick in range(600):  # for a minute pro asks for nine requests a second, free for six, of ten
        upstream.now += 100
        for count, name in ((tick % 10 < 9, "pro"), (tick % 5 < 3, "free")):
            answer = upstream.enqueue(tier=name, wait_ms=10_000) if count else {}
            foreseen += answer.get("reason") == "would_time_out" and tick >= 200
        upstream.dispatch()
        if tick >= 300:  # when those ended that asked from the twentieth second on
            endings += [message["status"] for message in upstream.messages()]
        else:
            upstream.messages()

    assert foreseen > 100
    assert endings.count("expired") < 0.05 * foreseen


def test_what_left_a_window_at_different_times_is_foreseen(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, RPM_600_SLIDING)
    for _ in range(12):  # fifty each five seconds
        for _ in range(50):
            upstream.settle(upstream.enqueue()["id"])
        upstream.now += 5_000
    predicted = [int(upstream.enqueue(wait_ms=300_000)["predicted_ms"]) for _ in range(100)]

    assert (predicted[0], predicted[49], predicted[50], predicted[99]) == (250, 250, 5250, 5250)


def test_account_that_is_used_up_is_foreseen(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=6000, jitter_ms=0))
    upstream.account_quota = RPM_60
    for _ in range(60 + 10):
        upstream.enqueue()

    assert upstream.enqueue()["predicted_ms"] == "11000"


def test_calls_of_a_tenant_at_its_cap_are_foreseen(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"concurrency": 1})
    upstream = Upstream(redis_server, Quota(rpm=6000, jitter_ms=0))
    upstream.enqueue("known")
    upstream.now += 2_000
    upstream.settle("known")
    for _ in range(1 + 4):
        upstream.enqueue()

    assert upstream.enqueue()["predicted_ms"] == "10000"


def test_burst_that_is_over_does_not_count_for_long(redis_server: redis.Redis) -> None:
    publish(redis_server, pro={"weight": 16}, free={})
    upstream = Upstream(redis_server, Quota(rpm=600, jitter_ms=0))
    for number in range(700):
        upstream.enqueue(f"burst{number}", tier="pro")
        upstream.now += 2
    while upstream.dispatch() > 0:
        upstream.now += 100
    predicted = [int(upstream.enqueue()["predicted_ms"]) for _ in range(80)][-1]

    assert 5_000 < predicted < 9_000


@pytest.mark.parametrize(
    ("gaps_before", "gaps_now", "least", "most"),
    [
        pytest.param([0, 10_000] * 20, [5] * 100, 14_000, 20_000, id="now and then, then at once"),
        pytest.param([1_000] * 600, [50] * 60, 7_000, 14_000, id="a stream twenty times as dense"),
    ],
)
def test_who_comes_faster_than_before_is_not_foreseen_for_as_long(
    redis_server: redis.Redis, gaps_before: list[int], gaps_now: list[int], least: int, most: int
) -> None:
    publish(redis_server, pro={"weight": 16}, free={})
    upstream = Upstream(redis_server, Quota(rpm=600, jitter_ms=0))
    for gap in gaps_before:
        upstream.now += gap
        upstream.settle(upstream.enqueue(tier="pro")["id"])
    for number in range(600):
        upstream.enqueue(f"first{number}")
    for gap in gaps_now:
        upstream.now += gap
        upstream.enqueue(tier="pro", wait_ms=300_000)
    predicted = [int(upstream.enqueue(wait_ms=300_000)["predicted_ms"]) for _ in range(50)][-1]

    assert least < predicted < most


def test_refusal_records_what_was_predicted_for_those_who_waited(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, RPM_60)
    for _ in range(60):
        upstream.enqueue()
    upstream.enqueue("waits", wait_ms=1000)
    upstream.feedback("rate", retry_after_ms=30_000)
    upstream.now += 1001
    upstream.dispatch()
    (event,) = upstream.events()

    assert (event.event_id, event.predicted_ms, event.queue_ms) == ("waits", 1000, 1001)


def test_settlement_records_what_was_predicted(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, RPM_60)
    for _ in range(61):
        upstream.enqueue()
    upstream.now += 1000
    upstream.dispatch()
    upstream.settle("r60")
    upstream.settle("r0")

    assert [event.predicted_ms for event in upstream.events()] == [1000, -1]

"""Shares of a saturated upstream: tiers by weight, tenants of a tier equally, whatever they ask for."""

import itertools
from collections import Counter
from collections.abc import Callable

import pytest
import redis

from readiness.limits.tickets import Cost
from readiness.providers.base import Quota
from tests.limits.harness import Upstream, publish

QUOTA = Quota(rpm=6000, tpm=600_000, jitter_ms=0)
Source = tuple[str, str, int]
"""Tier, tenant and tokens per request of one stream of requests."""


class Contest:
    """Streams that always have requests waiting; counts the tokens that each is granted."""

    def __init__(self, upstream: Upstream, depth: int = 3) -> None:
        self.upstream, self.depth = upstream, depth
        self.granted: Counter[Source] = Counter()
        self.requests: dict[str, Source] = {}
        self.charged: Callable[[Source], int] = lambda source: source[2]
        self.beat_at, self.wait_ms = upstream.now, 0

    def join(self, *sources: Source) -> None:
        for _ in range(self.depth):
            for source in sources:
                self.ask(source)

    def ask(self, source: Source) -> None:
        tier, tenant, tokens = source
        answer = self.upstream.enqueue(tier=tier, tenant=tenant, tokens=tokens, wait_ms=3_600_000)
        self.requests[answer["id"]] = source
        if answer["status"] == "granted":
            self.count(answer["id"])

    def count(self, request_id: str) -> None:
        source = self.requests.pop(request_id)
        self.granted[source] += source[2]
        tokens = self.charged(source)
        self.upstream.settle(request_id, cost=Cost(requests=min(tokens, 1), tokens=tokens))
        self.ask(source)

    def run(self, grants: int) -> Counter[Source]:
        """Tokens granted to each stream over the next grants."""
        self.granted.clear()
        done = 0
        while done < grants:
            self.upstream.now += self.wait_ms
            self.wait_ms = self.upstream.dispatch()
            if self.upstream.now > self.beat_at + 10_000:
                self.beat_at = self.upstream.now
                self.upstream.heartbeat(waiting=tuple(self.requests))
            for request_id in self.upstream.granted():
                self.count(request_id)
                done += 1
        return Counter(self.granted)


@pytest.fixture
def contest(redis_server: redis.Redis) -> Contest:
    """An upstream whose buckets are spent, so that the queue decides every grant."""
    publish(redis_server, enterprise={"weight": 16}, pro={"weight": 4}, free={"weight": 1})
    upstream = Upstream(redis_server, QUOTA)
    spent = upstream.enqueue(tokens=600_000)
    upstream.settle(spent["id"], tokens=600_000)
    return Contest(upstream)


def shares(granted: Counter[Source], index: int = 0) -> dict[str, float]:
    """Share of all granted tokens by tier (0) or tenant (1)."""
    total: Counter[str] = Counter()
    for source, tokens in granted.items():
        total[str(source[index])] += tokens
    return {name: tokens / granted.total() for name, tokens in total.items()}


def test_tiers_share_by_their_weights(contest: Contest) -> None:
    contest.join(("enterprise", "a", 1000), ("pro", "b", 1000), ("free", "c", 1000))
    got = shares(contest.run(210))

    assert got == pytest.approx({"enterprise": 16 / 21, "pro": 4 / 21, "free": 1 / 21}, abs=0.01)


def test_size_of_a_tiers_requests_does_not_change_its_share(contest: Contest) -> None:
    contest.join(("pro", "a", 500), ("free", "b", 5000))
    got = shares(contest.run(410))

    assert got["pro"] == pytest.approx(0.8, abs=0.02)


def test_tenants_of_a_tier_share_equally_whatever_they_ask_for(contest: Contest) -> None:
    contest.join(("pro", "small", 500), ("pro", "large", 4000), ("pro", "medium", 1500))
    got = shares(contest.run(350), index=1)

    jain = sum(got.values()) ** 2 / (len(got) * sum(share**2 for share in got.values()))
    assert jain >= 0.99


def test_many_requests_waiting_gain_nothing(contest: Contest) -> None:
    contest.join(("free", "modest", 1000))
    contest.depth = 40
    contest.join(("free", "greedy", 1000))
    got = shares(contest.run(100), index=1)

    assert got["greedy"] == pytest.approx(0.5, abs=0.02)


def test_late_tenant_catches_up_on_nothing(contest: Contest) -> None:
    contest.join(("free", "early", 1000))
    contest.run(100)
    contest.join(("free", "late", 1000))
    got = shares(contest.run(100), index=1)

    assert got["late"] == pytest.approx(0.5, abs=0.02)


def test_unknown_tier_has_the_lowest_weight(contest: Contest) -> None:
    contest.join(("enterprise", "a", 1000), ("no-such-tier", "b", 1000))
    got = shares(contest.run(170))

    assert got["no-such-tier"] == pytest.approx(1 / 17, abs=0.015)


def test_unused_share_goes_to_those_who_wait(contest: Contest) -> None:
    contest.join(("free", "a", 1000))
    started = contest.upstream.now
    contest.run(100)

    # 600,000 tokens a minute are ten requests a second.
    assert (contest.upstream.now - started) / 1000 == pytest.approx(10, rel=0.05)


def test_tier_limit_holds_the_tier_back_and_lets_others_pass(contest: Contest) -> None:
    publish(contest.upstream.client, enterprise={"weight": 16, "rpm": 60}, free={"weight": 1})
    contest.join(("enterprise", "a", 1000), ("free", "b", 1000))
    contest.run(150)  # spends the tier's full bucket
    started, granted = contest.upstream.now, contest.run(200)
    seconds = (contest.upstream.now - started) / 1000

    assert granted["enterprise", "a", 1000] / 1000 == pytest.approx(seconds, abs=2)


def test_tier_that_was_held_back_is_owed_nothing(contest: Contest) -> None:
    held = {"pro": {"weight": 1, "rpm": 1}, "free": {"weight": 1}}
    publish(contest.upstream.client, **held)
    contest.join(("pro", "a", 1000), ("free", "b", 1000))
    contest.run(100)
    publish(contest.upstream.client, pro={"weight": 1}, free={"weight": 1})
    got = shares(contest.run(100))

    assert got["pro"] == pytest.approx(0.5, abs=0.02)


def test_changed_weight_counts_from_the_next_grant_on(contest: Contest) -> None:
    contest.join(("pro", "a", 1000), ("free", "b", 1000))
    contest.run(100)
    publish(contest.upstream.client, pro={"weight": 1}, free={"weight": 9})
    got = shares(contest.run(200))

    assert got["free"] == pytest.approx(0.9, abs=0.03)


def test_large_request_is_not_overtaken_for_ever(contest: Contest) -> None:
    contest.join(("free", "small", 1000))
    large = contest.upstream.enqueue(tier="free", tenant="large", tokens=300_000, wait_ms=3_600_000)
    contest.requests[large["id"]] = ("free", "large", 300_000)
    got = contest.run(40)

    assert got["free", "large", 300_000] > 0


def test_tags_of_tenants_that_were_caught_up_with_are_forgotten(contest: Contest) -> None:
    contest.join(("free", "stays", 1000))
    for number in range(30):
        contest.upstream.enqueue(tier="free", tenant=f"passes-{number}", tokens=1000, wait_ms=3_600_000)
    for _ in range(100):
        contest.upstream.now += 100
        contest.upstream.dispatch()
        for request_id in contest.upstream.granted():
            if request_id in contest.requests:
                contest.count(request_id)

    contest.upstream.enqueue(tier="free", tenant="last", tokens=1000, wait_ms=3_600_000)
    for _ in range(3):
        contest.upstream.now += 100
        contest.upstream.dispatch()

    assert contest.upstream.client.zrange("limits:{d1}:tenants:tier:free:idle", 0, -1) == ["last"]


def test_calls_that_never_reached_the_provider_do_not_count_against_their_tenant(contest: Contest) -> None:
    delivered: Counter[str] = Counter()
    turns = itertools.count()

    def charged(source: Source) -> int:
        tokens = 0 if source[1] == "unlucky" and next(turns) % 2 else source[2]
        delivered[source[1]] += tokens
        return tokens

    contest.charged = charged
    contest.join(("free", "lucky", 1000), ("free", "unlucky", 1000))
    contest.run(200)

    assert delivered["unlucky"] / delivered.total() == pytest.approx(0.5, abs=0.02)

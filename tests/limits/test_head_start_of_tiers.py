"""Several heavier tiers beside a benchmark that never ends: the head start of each before those below it."""

import heapq
from collections import defaultdict

import pytest
import redis

from readiness.providers.base import Quota, WindowKind
from tests.limits.harness import Upstream, publish

RPM = 240
WINDOW_MS = 60_000


class Traffic:
    """Tiers that ask at even intervals, and a benchmark that joins them: thirty of its calls always wait."""

    def __init__(self, redis_server: redis.Redis, kind: WindowKind) -> None:
        publish(redis_server, enterprise={"weight": 16}, pro={"weight": 4}, benchmark={"weight": 1})
        self.upstream = Upstream(redis_server, Quota(rpm=RPM, window=kind, jitter_ms=0))
        self.begins = self.upstream.now
        self.asked: dict[str, tuple[str, float]] = {}
        self.waits: dict[str, list[float]] = defaultdict(list)
        """By tier: milliseconds that each granted request waited."""

    def run(self, windows: int, **shares: float) -> None:
        """``shares``: part of the quota that a tier asks for. Ends after so many windows."""
        gaps = {tier: WINDOW_MS / (RPM * share) for tier, share in shares.items()}
        until = self.begins + windows * WINDOW_MS
        for tier in gaps:
            self.ask(tier)
        due = [(self.begins + gap, tier) for tier, gap in gaps.items()]
        heapq.heapify(due)
        for _ in range(30):
            self.ask("benchmark")
        self.serve()
        timer = self.upstream.now + self.upstream.dispatch()
        while (now := min(timer, due[0][0] if due else timer)) < until:
            self.upstream.now = now
            while due and due[0][0] <= now:
                _, tier = heapq.heappop(due)
                heapq.heappush(due, (now + gaps[tier], tier))
                self.ask(tier)
            timer = now + self.upstream.dispatch()
            self.serve()

    def ask(self, tier: str) -> None:
        answer = self.upstream.enqueue(tier=tier, tenant="t", wait_ms=3_600_000)
        self.asked[answer["id"]] = tier, self.upstream.now

    def serve(self) -> None:
        """Ends what was granted; the benchmark's calls are followed by the next ones."""
        while granted := [*self.upstream.granted(), *self.granted_at_once()]:
            for request_id in dict.fromkeys(granted):
                tier, asked_at = self.asked.pop(request_id)
                self.waits[tier].append(self.upstream.now - asked_at)
                self.upstream.settle(request_id, outcome="ok")
                if tier == "benchmark":
                    self.ask(tier)

    def granted_at_once(self) -> list[str]:
        leases = self.upstream.client.zrange("limits:{d1}:leases", 0, -1)
        return [str(request_id) for request_id in leases if request_id in self.asked]


WINDOWS = pytest.mark.parametrize("kind", [WindowKind.SLIDING, WindowKind.FIXED])


@WINDOWS
def test_middle_tier_is_given_room_while_it_leaves_room_itself(
    redis_server: redis.Redis, kind: WindowKind
) -> None:
    traffic = Traffic(redis_server, kind)
    traffic.run(3, enterprise=0.1, pro=0.3)
    assert max(traffic.waits["enterprise"]) < 3000
    assert max(traffic.waits["pro"]) < 3000


def test_use_of_several_tiers_is_expected_once(redis_server: redis.Redis) -> None:
    traffic = Traffic(redis_server, WindowKind.FIXED)
    traffic.run(4, enterprise=0.1, pro=0.3)
    assert sum(map(len, traffic.waits.values())) >= 0.95 * 4 * RPM


def test_tier_that_has_just_begun_is_expected_to_go_on(redis_server: redis.Redis) -> None:
    traffic = Traffic(redis_server, WindowKind.FIXED)
    traffic.run(1, pro=0.4)
    assert len(traffic.waits["pro"]) >= 0.4 * RPM - 1
    assert max(traffic.waits["pro"]) < 1000

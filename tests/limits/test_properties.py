"""Whatever is asked in whatever order: no quota is passed, nobody is forgotten, nothing happens twice."""

from collections import Counter

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from readiness.lib.redis import sync_redis
from readiness.providers.base import Quota
from tests.limits.harness import Upstream, publish
from tests.limits.provider import Provider

TIER_LIMIT = Quota(rpm=30, tpm=2000)
quotas = st.builds(
    Quota,
    rpm=st.one_of(st.none(), st.integers(1, 90)),
    tpm=st.one_of(st.none(), st.integers(500, 5000)),
    rpd=st.one_of(st.none(), st.integers(1, 200)),
    concurrency=st.one_of(st.none(), st.integers(1, 10)),
)


class Queue(RuleBasedStateMachine):
    """The scripts against a provider that enforces its own quota, under a clock that the rules move."""

    requests: Bundle[str] = Bundle("requests")

    @initialize(quota=quotas)
    def start(self, quota: Quota) -> None:
        client: redis.Redis = sync_redis()
        client.flushdb()
        publish(client, pro={"weight": 5}, free={"rpm": TIER_LIMIT.rpm, "tpm": TIER_LIMIT.tpm})
        self.upstream = Upstream(client, quota)
        self.provider = Provider(quota, self.upstream.now)
        self.free_tier = Provider(TIER_LIMIT, self.upstream.now)
        self.asked: dict[str, tuple[str, int, float]] = {}
        self.state: dict[str, str] = {}

    def hear(self, request_id: str, status: str) -> None:
        """Takes a first word about a request; a grant must find room at the provider and in its tier."""
        if self.state.get(request_id) not in {None, "waiting"}:
            return
        self.state[request_id] = status
        tier, tokens, deadline = self.asked[request_id]
        if status == "granted":
            assert self.provider.accepts(self.upstream.now, tokens)
            assert tier != "free" or self.free_tier.accepts(self.upstream.now, tokens)
            assert self.upstream.now <= deadline

    def read_inbox(self) -> None:
        for message in self.upstream.messages():
            self.hear(message["id"], message["status"])

    @rule(
        target=requests,
        tier=st.sampled_from(["pro", "free", "nobody-knows-it"]),
        tenant=st.sampled_from(["a", "b", "c"]),
        tokens=st.integers(1, 1000),
        wait_ms=st.integers(1, 120_000),
    )
    def enqueue(self, tier: str, tenant: str, tokens: int, wait_ms: int) -> str:
        request_id = f"q{len(self.asked)}"
        self.asked[request_id] = (tier, tokens, self.upstream.now + wait_ms)
        answer = self.upstream.enqueue(request_id, tier=tier, tenant=tenant, tokens=tokens, wait_ms=wait_ms)
        self.read_inbox()
        self.hear(request_id, answer["status"])
        return request_id

    @rule(request_id=requests)
    def enqueue_again(self, request_id: str) -> None:
        tier, tokens, _ = self.asked[request_id]
        answer = self.upstream.enqueue(request_id, tier=tier, tokens=tokens)
        self.read_inbox()
        assert answer["status"] == self.state[request_id]

    @rule(milliseconds=st.integers(0, 29_000))
    def advance(self, milliseconds: int) -> None:
        self.upstream.now += milliseconds
        self.beat()

    def beat(self) -> None:
        waiting = tuple(name for name, state in self.state.items() if state == "waiting")
        in_flight = tuple(name for name, state in self.state.items() if state == "granted")
        self.upstream.heartbeat(waiting=waiting, in_flight=in_flight)
        self.read_inbox()

    @rule(request_id=requests, twice=st.booleans())
    def settle(self, request_id: str, twice: bool) -> None:
        if self.state[request_id] == "granted":
            self.state[request_id] = "settled"
            for _ in range(1 + twice):
                self.upstream.settle(request_id, tokens=self.asked[request_id][1])
            self.read_inbox()

    @rule(request_id=requests)
    def cancel(self, request_id: str) -> None:
        if self.state[request_id] in {"waiting", "granted"}:
            self.state[request_id] = "cancelled"
        self.upstream.cancel(request_id)
        self.read_inbox()

    @rule(left=st.integers(0, 100), retry_after_ms=st.one_of(st.none(), st.integers(0, 20_000)))
    def refuse(self, left: int, retry_after_ms: int | None) -> None:
        self.upstream.feedback("rate", retry_after_ms, requests=left, tokens=left * 20)
        self.read_inbox()

    @invariant()
    def levels_stay_within_their_buckets(self) -> None:
        for bucket in self.upstream.inspect()["buckets"].values():
            assert -1e-6 <= bucket["level"] <= bucket["limit"]

    @invariant()
    def redis_knows_who_waits_and_who_is_in_flight(self) -> None:
        shown, states = self.upstream.inspect(), Counter(self.state.values())
        assert sum(tier["waiting"] for tier in dict(shown["tiers"]).values()) == states["waiting"]
        assert shown["in_flight"] == states["granted"]
        assert states["granted"] <= (self.upstream.quota.concurrency or len(self.asked))

    def teardown(self) -> None:
        if not hasattr(self, "upstream"):
            return
        for request_id in [name for name, state in self.state.items() if state == "granted"]:
            self.settle(request_id, twice=False)
        for _ in range(20):
            self.advance(10_000)
            for request_id in [name for name, state in self.state.items() if state == "granted"]:
                self.settle(request_id, twice=True)
        assert "waiting" not in self.state.values()
        recorded = Counter(event.event_id for event in self.upstream.events())
        assert recorded == Counter(self.asked.keys())


TestQueue = Queue.TestCase
TestQueue.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tokens=st.lists(st.integers(1, 900), min_size=40, max_size=40),
    delays_ms=st.lists(st.integers(0, 1000), min_size=40, max_size=40),
)
def test_jitter_on_the_way_to_the_provider_earns_no_429(
    redis_server: redis.Redis, tokens: list[int], delays_ms: list[int]
) -> None:
    redis_server.flushdb()
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=30, tpm=6000))
    start, arrivals = upstream.now, []
    by_id = {}
    for size, delay in zip(tokens, delays_ms, strict=True):
        answer = upstream.enqueue(tokens=size, wait_ms=86_400_000)
        by_id[answer["id"]] = (size, delay)
        if answer["status"] == "granted":
            arrivals.append((upstream.now + delay, size))
    while len(arrivals) < len(tokens):
        upstream.now += max(1, upstream.dispatch())
        upstream.heartbeat(waiting=tuple(by_id))
        arrivals += [(upstream.now + by_id[name][1], by_id[name][0]) for name in upstream.granted()]

    provider = Provider(upstream.quota, start)
    assert all(provider.accepts(at, size) for at, size in sorted(arrivals))

"""Whatever is asked in whatever order: no quota is passed, nobody is forgotten, nothing happens twice."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from readiness.lib.redis import sync_redis
from readiness.limits.tickets import Cost, ProviderWord
from readiness.providers.base import Accounting, Quota, WindowKind
from tests.limits.harness import LEASE_MS, Upstream, publish
from tests.limits.provider import Provider

TIERS = {
    "pro": {"weight": 5},
    "free": {"rpm": 30, "tpm": 2000, "day": 4000},
    "job": {"concurrency": 1, "share_cap": 0.5},
}
CAPS = {"project:1": {"rpm": 40, "month": 9000}, "user:1:ann": {"tpm": 3000}}
# What outlives every request on purpose: configuration, and what was spent in a day or month.
LASTING = {"limits:policy", "limits:edges:day", "limits:edges:month", "limits:epoch", "limits:upstreams"}
LASTING |= {"telemetry:events"}

kinds = st.sampled_from(list(WindowKind))
quotas = st.builds(
    Quota,
    rpm=st.one_of(st.none(), st.integers(1, 90)),
    tpm=st.one_of(st.none(), st.integers(1000, 5000)),
    rpd=st.one_of(st.none(), st.integers(5, 200)),
    concurrency=st.one_of(st.none(), st.integers(1, 10)),
    window=kinds,
    day_window=st.sampled_from([WindowKind.CONTINUOUS, WindowKind.SLIDING]),
    jitter_ms=st.just(0),
)


@dataclass
class Asked:
    tier: str
    tokens: int
    deadline: float


class Queue(RuleBasedStateMachine):
    """The scripts against a provider that enforces its own quota, under a clock that the rules move."""

    requests: Bundle[str] = Bundle("requests")

    @initialize(quota=quotas)
    def start(self, quota: Quota) -> None:
        client: redis.Redis = sync_redis()
        client.flushdb()
        publish(client, CAPS, **TIERS)
        self.upstream = Upstream(client, quota)
        self.upstream.configure()
        self.provider = Provider(quota, self.upstream.now)
        for scope in ("tier:free", *CAPS):
            self.upstream.load_money(scope)
        self.asked: dict[str, Asked] = {}
        self.state: dict[str, str] = {}
        self.lease_ends: dict[str, float] = {}
        """Of calls whose process died: they are "silent" until then, and orphaned after."""
        self.settled_late: list[str] = []
        self.was_refused = False
        self.behind_ms = 0
        """How far Redis's clock was set back, all in all."""

    @property
    def now(self) -> float:
        """Milliseconds by the provider's clock and everybody else's."""
        return self.upstream.now + self.behind_ms

    def hear(self, request_id: str, status: str) -> None:
        """Takes a first word about a request; a grant must find room at the provider."""
        if self.state.get(request_id) not in {None, "waiting"}:
            return
        self.state[request_id] = status
        if status == "granted":
            asked = self.asked[request_id]
            assert self.provider.accepts(self.now, asked.tokens)
            assert self.now <= asked.deadline

    def read_inbox(self) -> None:
        for message in self.upstream.messages():
            self.hear(message["id"], message["status"])

    @rule(
        target=requests,
        tier=st.sampled_from(["pro", "free", "job", "nobody-knows-it"]),
        tenant=st.sampled_from(["a", "b", "c"]),
        whom=st.sampled_from([(0, ""), (1, ""), (1, "ann")]),
        tokens=st.integers(1, 1000),
        wait_ms=st.integers(1, 120_000),
    )
    def enqueue(self, tier: str, tenant: str, whom: tuple[int, str], tokens: int, wait_ms: int) -> str:
        request_id = f"q{len(self.asked)}"
        self.asked[request_id] = Asked(tier, tokens, self.now + wait_ms)
        project, user = whom
        ticket: dict[str, Any] = {"tier": tier, "tenant": tenant, "project_id": project, "end_user": user}
        answer = self.upstream.enqueue(request_id, tokens=tokens, wait_ms=wait_ms, nanos=tokens, **ticket)
        self.read_inbox()
        self.hear(request_id, answer["status"])
        return request_id

    @rule(request_id=requests)
    def enqueue_again(self, request_id: str) -> None:
        asked = self.asked[request_id]
        answer = self.upstream.enqueue(request_id, tier=asked.tier, tokens=asked.tokens)
        self.read_inbox()
        knows = self.state[request_id]
        assert answer["status"] == ("granted" if knows == "silent" else knows)

    @rule(milliseconds=st.integers(0, 29_000))
    def advance(self, milliseconds: int) -> None:
        self.upstream.now += milliseconds
        for request_id, state in self.state.items():
            if state == "silent" and self.now >= self.lease_ends[request_id]:
                self.state[request_id] = "orphaned"
        self.beat()

    @rule(minutes=st.sampled_from([1, 10, 60]))
    def set_the_clock_back(self, minutes: int) -> None:
        """By whole minutes, so that the edges of fixed windows stay where the provider has them."""
        self.upstream.now -= minutes * 60_000
        self.behind_ms += minutes * 60_000

    @rule(request_id=requests)
    def die_holding(self, request_id: str) -> None:
        if self.state[request_id] == "granted":
            self.state[request_id] = "silent"
            self.lease_ends[request_id] = self.now + LEASE_MS

    def beat(self) -> None:
        waiting = tuple(name for name, state in self.state.items() if state == "waiting")
        in_flight = tuple(name for name, state in self.state.items() if state == "granted")
        for message in self.upstream.heartbeat(waiting=waiting, in_flight=in_flight):
            self.hear(message["id"], message["status"])
        self.read_inbox()

    @rule(request_id=requests, twice=st.booleans(), kind=st.sampled_from(["ok", "fault", "overloaded"]))
    def settle(self, request_id: str, twice: bool, kind: str) -> None:
        if self.state[request_id] in {"granted", "silent", "orphaned"}:
            if self.state[request_id] == "orphaned":
                self.settled_late.append(request_id)
            self.state[request_id] = "settled"
            tokens = self.asked[request_id].tokens
            for _ in range(1 + twice):
                self.upstream.settle(
                    request_id, tokens=tokens, cost_nanos=tokens // 2, word=ProviderWord(kind=kind)
                )
            self.read_inbox()

    @rule(request_id=requests)
    def cancel(self, request_id: str) -> None:
        if self.state[request_id] in {"granted", "silent"}:
            return  # never sent then, which our oracle, counting at the grant, could not know
        if self.state[request_id] == "waiting":
            self.state[request_id] = "cancelled"
        self.upstream.cancel(request_id)
        self.read_inbox()

    @rule(left=st.integers(0, 100), retry_after_ms=st.one_of(st.none(), st.integers(0, 20_000)))
    def refuse(self, left: int, retry_after_ms: int | None) -> None:
        self.was_refused = True
        self.upstream.feedback("rate", retry_after_ms, requests=left, tokens=left * 20)
        self.read_inbox()

    @rule(weight=st.integers(1, 9), concurrency=st.integers(1, 4))
    def change_the_policy(self, weight: int, concurrency: int) -> None:
        job = {"weight": weight, "concurrency": concurrency}
        publish(self.upstream.client, CAPS, **(TIERS | {"job": job}))

    @rule()
    def configure_again(self) -> None:
        self.upstream.configure()
        self.read_inbox()

    @invariant()
    def levels_stay_within_their_buckets(self) -> None:
        for bucket in self.upstream.inspect()["buckets"] or ():
            # What is more than a cut leaves is granted on a full bucket: a debt, paid while the limit grows.
            # A window keeps what was granted before the cut.
            cut = bucket["configured"] if self.was_refused else 0
            floor = -cut if bucket["kind"] == "continuous" else bucket["limit"] - bucket["configured"]
            assert floor - 1e-6 <= bucket["level"] <= bucket["limit"] + 1e-6

    @invariant()
    def redis_knows_who_waits_and_who_is_in_flight(self) -> None:
        shown, states = self.upstream.inspect(), Counter(self.state.values())
        lines = dict(shown["lines"] or {}).values()
        queues = self.upstream.client.scan_iter("limits:{d1}:queue:*")
        queued = sum(self.upstream.client.zcard(queue) for queue in queues)
        assert shown["waiting"] == sum(line["waiting"] for line in lines) == queued == states["waiting"]
        assert shown["in_flight"] == states["granted"] + states["silent"]
        assert shown["in_flight"] <= (self.upstream.quota.concurrency or len(self.asked))

    @precondition(lambda self: self.asked)
    @invariant()
    def every_key_ends(self) -> None:
        names = set(self.upstream.client.scan_iter("limits:*")) - LASTING
        assert [name for name in sorted(names) if self.upstream.client.ttl(name) < 0] == []

    def teardown(self) -> None:
        if not hasattr(self, "upstream"):
            return
        for _ in range(25):
            for request_id in [name for name, state in self.state.items() if state == "granted"]:
                self.settle(request_id, twice=True, kind="ok")
            self.advance(10_000)
        assert set(self.state.values()) <= {"settled", "cancelled", "refused", "expired", "orphaned"}
        self.newcomer_is_served()
        recorded = Counter(event.event_id for event in self.upstream.events())
        assert recorded == Counter([*self.asked, *self.settled_late])
        self.money_is_what_was_settled()

    def newcomer_is_served(self) -> None:
        """Within a minute of no more calls, whatever happened before, if the day's quota is not spent."""
        shown = {bucket["name"]: bucket["level"] for bucket in self.upstream.inspect()["buckets"] or ()}
        if shown.get("rpd", 1) < 1:
            return
        newcomer = self.enqueue("pro", "newcomer", (0, ""), tokens=1, wait_ms=60_500)  # type: ignore[call-arg]
        for _ in range(61):
            if self.state[newcomer] == "waiting":
                self.advance(1000)  # type: ignore[call-arg]
        assert self.state[newcomer] == "granted"
        self.settle(newcomer, twice=False, kind="ok")  # type: ignore[call-arg]

    def money_is_what_was_settled(self) -> None:
        """With nothing open, a cap holds the actual money, and of an orphan the estimate."""
        spent, due = self.upstream.run("spent", "tier:free"), 0
        for name, asked in self.asked.items():
            if asked.tier == "free":
                due += {"settled": asked.tokens // 2, "orphaned": asked.tokens}.get(self.state[name], 0)
        assert int(spent["day"]) == due


TestQueue = Queue.TestCase
TestQueue.settings = settings(
    max_examples=15,
    stateful_step_count=35,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=kinds,
    jitter_ms=st.integers(0, 1500),
    tokens=st.lists(st.integers(1, 900), min_size=40, max_size=40),
    parts=st.lists(st.floats(0, 1), min_size=40, max_size=40),
)
def test_jitter_on_the_way_to_the_provider_earns_no_429(
    redis_server: redis.Redis, kind: WindowKind, jitter_ms: int, tokens: list[int], parts: list[float]
) -> None:
    redis_server.flushdb()
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=30, tpm=6000, window=kind, jitter_ms=jitter_ms))
    start, arrivals = upstream.now, []
    by_id = {}
    for size, part in zip(tokens, parts, strict=True):
        answer = upstream.enqueue(tokens=size, wait_ms=86_400_000)
        by_id[answer["id"]] = (size, part * jitter_ms)
        if answer["status"] == "granted":
            arrivals.append((upstream.now + part * jitter_ms, size))
    while len(arrivals) < len(tokens):
        wait_ms = upstream.dispatch()
        arrivals += [(upstream.now + by_id[name][1], by_id[name][0]) for name in upstream.granted()]
        upstream.now += max(1, wait_ms)

    provider = Provider(upstream.quota, start)
    assert all(provider.accepts(at, size) for at, size in sorted(arrivals))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=kinds,
    calls=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 400)), min_size=5, max_size=30),
    gaps=st.lists(st.integers(0, 20_000), min_size=30, max_size=30),
)
def test_a_bucket_that_is_corrected_never_holds_more_than_its_limit(
    redis_server: redis.Redis, kind: WindowKind, calls: list[tuple[int, int]], gaps: list[int]
) -> None:
    redis_server.flushdb()
    publish(redis_server, free={})
    quota = Quota(otpm=1000, window=kind, accounting=Accounting.ANTHROPIC, jitter_ms=0)
    upstream = Upstream(redis_server, quota)
    for (declared, actual), gap in zip(calls, gaps, strict=False):
        answer = upstream.enqueue(cost=Cost(output_tokens=declared), wait_ms=60_000)
        upstream.now += gap
        upstream.heartbeat(in_flight=(answer["id"],))
        if answer["status"] == "granted":
            upstream.settle(answer["id"], cost=Cost(output_tokens=actual))
        assert upstream.level("otpm") <= 1000 + 1e-6

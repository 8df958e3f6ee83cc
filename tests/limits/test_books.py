"""Whatever happens, in whatever order, the books agree: who waits, who holds a place, what was spent.

In ``test_properties.py`` a provider judges every grant. Here nothing is as declared: calls cost more
or less, end twice, late or never, are sent without leave; quotas, policy and the clock change under way.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from readiness.lib.redis import sync_redis
from readiness.limits.tickets import Cost, ProviderWord
from readiness.providers.base import Accounting, Quota, WindowKind
from tests.limits.harness import CONSTANT_KEYS, LEASE_MS, START_MS, Upstream, publish

LARGEST = 1000
SCOPE = "project:1"
CAPS = {SCOPE: {"day": 20_000, "rpm": 60}}
SIGNALS = ["ok", "", "rate", "ramp", "concurrency", "overloaded", "fault", "unreachable"]
JUMPS_MS = [-3_600_000, -90_000, LEASE_MS, 600_000]
DAY_IS_THE_SAME_MS = 7 * 3_600_000

kinds = st.sampled_from(list(WindowKind))
amounts = st.integers(0, LARGEST)
quotas = st.builds(
    Quota,
    rpm=st.one_of(st.none(), st.integers(1, 60)),
    tpm=st.one_of(st.none(), st.integers(500, 4000)),
    otpm=st.one_of(st.none(), st.integers(500, 4000)),
    rpd=st.one_of(st.none(), st.integers(5, 100)),
    concurrency=st.one_of(st.none(), st.integers(1, 6)),
    accounting=st.sampled_from(list(Accounting)),
    window=kinds,
    day_window=kinds,
    jitter_ms=st.integers(0, 800),
)


@dataclass
class Call:
    tier: str
    tenant: str
    project: int
    nanos: int
    tokens: int
    state: str = ""
    capped: bool = False
    """It was granted while its tenant had a cap on calls in flight, which counts no others."""


class Books(RuleBasedStateMachine):
    """What the model holds of every call, against what the scripts hold."""

    calls_made: Bundle[str] = Bundle("calls_made")

    @initialize(quota=quotas, account=st.one_of(st.none(), quotas))
    def start(self, quota: Quota, account: Quota | None) -> None:
        client: redis.Redis = sync_redis()
        client.flushdb()
        self.upstream = Upstream(client, quota)
        self.upstream.account_quota = account
        self.calls: dict[str, Call] = {}
        self.seen_events = 0
        self.under_declared = 0
        self.records: Counter[tuple[str, int]] = Counter()
        self.job_cap: int | None = 1
        self.publish(cap=1, override=True)
        self.upstream.configure()
        self.upstream.load_money(SCOPE)

    def publish(self, *, cap: int | None, override: bool) -> None:
        self.job_cap = cap
        job: dict[str, Any] = {"concurrency": cap} if cap else {}
        tiers: dict[str, dict[str, Any]] = {"pro": {"weight": 5}, "free": {"rpm": 30}, "job": job}
        if override:
            tiers["free/1"] = {"weight": 3, "rpm": (30, "tier:free"), "share_cap": 0.5}
        publish(self.upstream.client, CAPS, **tiers)

    # Hearing ----------------------------------------------------------------------------------------------

    def hear(self, request_id: str, status: str) -> None:
        call = self.calls[request_id]
        if call.state not in {"", "waiting"}:
            return
        call.state = status
        if status == "granted" and call.tier == "job" and self.job_cap:
            call.capped = True
            assert self.capped_in_flight(call.tenant) <= self.job_cap

    def capped_in_flight(self, tenant: str) -> int:
        return sum(call.capped and (call.tenant, call.state) == (tenant, "granted") for call in self.all())

    def all(self) -> list[Call]:
        return list(self.calls.values())

    def listen(self) -> None:
        """Leases that ran out first: they made the room that others were granted."""
        events = self.upstream.events()
        for event in events[self.seen_events :]:
            self.records[event.event_id, event.version] += 1
            if event.outcome == "orphaned":
                self.calls[event.event_id].state = "orphaned"
        self.seen_events = len(events)
        for message in self.upstream.messages():
            self.hear(message["id"], message["status"])

    # Rules ------------------------------------------------------------------------------------------------

    @rule(
        target=calls_made,
        tier=st.sampled_from(["pro", "free", "job"]),
        tenant=st.sampled_from(["a", "b"]),
        project=st.integers(0, 2),
        tokens=amounts,
        nanos=amounts,
        wait_ms=st.integers(1, 90_000),
        times=st.integers(1, 6),
    )
    def enqueue(self, times: int, **asked: Any) -> MultipleResults[str]:
        return multiple(*(self.enqueue_one(**asked) for _ in range(times)))

    def enqueue_one(self, tier: str, tenant: str, project: int, tokens: int, nanos: int, wait_ms: int) -> str:
        request_id = f"q{len(self.calls)}"
        self.calls[request_id] = Call(tier, tenant, project, nanos, tokens)
        cost = Cost(tokens=tokens, input_tokens=tokens, output_tokens=tokens)
        ticket: dict[str, Any] = {"tier": tier, "tenant": tenant, "project_id": project, "nanos": nanos}
        answer = self.upstream.enqueue(request_id, cost=cost, wait_ms=wait_ms, **ticket)
        self.listen()
        self.hear(request_id, answer["status"])
        return request_id

    @rule(
        request_id=calls_made,
        actual=amounts,
        nanos=amounts,
        sent=st.booleans(),
        kind=st.sampled_from(SIGNALS),
    )
    def settle(self, request_id: str, actual: int, nanos: int, sent: bool, kind: str) -> None:
        """Of a call in flight, an orphan, or one that waits in Redis and was admitted without it."""
        call = self.calls[request_id]
        if call.state not in {"granted", "orphaned", "waiting"}:
            return
        cost = Cost(requests=int(sent), tokens=actual, input_tokens=actual, output_tokens=actual)
        self.under_declared += max(0, actual - call.tokens) + (call.state == "waiting") * (actual + 1)
        call.state, call.nanos = "settled", nanos
        scopes = [SCOPE] if call.project == 1 else []
        word = ProviderWord(kind=kind, retry_after_s=1)
        self.upstream.settle(
            request_id, cost=cost if sent else Cost(requests=0), cost_nanos=nanos, word=word, scopes=scopes
        )
        self.listen()

    @rule(target=calls_made, actual=amounts, nanos=amounts)
    def settle_unknown(self, actual: int, nanos: int) -> str:
        request_id = f"q{len(self.calls)}"
        self.calls[request_id] = Call("pro", "a", 1, nanos, actual, "settled")
        self.under_declared += actual + 1
        cost = Cost(tokens=actual, input_tokens=actual, output_tokens=actual)
        self.upstream.settle(request_id, cost=cost, cost_nanos=nanos, scopes=[SCOPE])
        self.listen()
        return request_id

    @rule(request_id=calls_made)
    def cancel(self, request_id: str) -> None:
        if self.calls[request_id].state in {"waiting", "granted"}:
            self.calls[request_id].state = "cancelled"
        self.upstream.cancel(request_id)
        self.listen()

    @rule(milliseconds=st.one_of(st.integers(-3000, 20_000), st.sampled_from(JUMPS_MS)), beats=st.booleans())
    def advance(self, milliseconds: int, beats: bool) -> None:
        if abs(self.upstream.now + milliseconds - START_MS) > DAY_IS_THE_SAME_MS:
            return
        self.upstream.now += milliseconds
        if beats:
            waiting = tuple(name for name, call in self.calls.items() if call.state == "waiting")
            in_flight = tuple(name for name, call in self.calls.items() if call.state == "granted")
            self.upstream.heartbeat(waiting=waiting, in_flight=in_flight)
        else:
            self.upstream.dispatch()
        self.listen()

    @rule(quota=quotas)
    def configure(self, quota: Quota) -> None:
        self.upstream.configure(quota)
        self.listen()

    @rule(cap=st.one_of(st.none(), st.integers(1, 3)), override=st.booleans())
    def change_the_policy(self, cap: int | None, override: bool) -> None:
        self.publish(cap=cap, override=override)

    @rule(kind=st.sampled_from([*SIGNALS, "out_of_credit", "resume"]))
    def hear_the_provider(self, kind: str) -> None:
        self.upstream.feedback(kind, 2000, requests=3)
        self.listen()

    # What must hold ---------------------------------------------------------------------------------------

    @invariant()
    def everybody_is_where_the_model_has_them(self) -> None:
        shown, states = self.upstream.inspect(), Counter(call.state for call in self.all())
        lines = list(dict(shown["lines"] or {}).values())
        queues = self.upstream.client.scan_iter("limits:{d1}:queue:*")
        queued = sum(self.upstream.client.zcard(queue) for queue in queues)
        assert shown["waiting"] == queued == states["waiting"] == sum(line["waiting"] for line in lines)
        assert shown["in_flight"] == states["granted"]
        assert all(line["parked"] >= 0 and line["backlog"] >= 0 for line in lines)

    @invariant()
    def buckets_hold_no_more_than_their_limits(self) -> None:
        shown = self.upstream.inspect()
        for bucket in [*(shown["buckets"] or ()), *(shown.get("account") or ())]:
            assert bucket["level"] <= bucket["limit"] + 1e-6

    @invariant()
    def levels_fall_below_nothing_by_corrections_alone(self) -> None:
        for bucket in self.upstream.inspect()["buckets"] or ():
            if bucket["kind"] == "continuous":
                assert bucket["level"] >= -self.under_declared - LARGEST - 1e-6

    @invariant()
    def money_is_what_is_open_and_what_was_settled(self) -> None:
        counts = {"waiting", "granted", "orphaned", "settled"}
        expected = sum(call.nanos for call in self.all() if call.project == 1 and call.state in counts)
        assert int(self.upstream.run("spent", SCOPE)["day"]) == expected

    @invariant()
    def nothing_is_recorded_twice(self) -> None:
        assert set(self.records.values()) <= {1}

    def teardown(self) -> None:
        if not hasattr(self, "upstream"):
            return
        for name, call in self.calls.items():
            if call.state in {"granted", "orphaned"}:
                self.settle(name, 1, 1, True, "ok")  # type: ignore[call-arg]
            self.cancel(name)  # type: ignore[call-arg]
        client = self.upstream.client
        assert {name for name, _ in self.records} == set(self.calls)
        kept = ("upstream", "quota", "history", "slots:", "ticket:", "tenants:", "lines:idle")
        left = [name.removeprefix("limits:{d1}:") for name in client.scan_iter("limits:{d1}:*")]
        assert [name for name in left if not name.startswith(kept)] == []
        names = set(client.scan_iter("limits:*")) - CONSTANT_KEYS
        assert [name for name in sorted(names) if client.ttl(name) < 0] == []


TestBooks = Books.TestCase
TestBooks.settings = settings(
    max_examples=20,
    stateful_step_count=35,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

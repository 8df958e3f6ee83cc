"""Redis's clock is set back: nobody is held up for as long, and nothing is decided differently."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readiness.limits.tickets import Cost, ProviderWord
from readiness.providers.base import Quota, WindowKind
from tests.limits.harness import Upstream, publish

HOUR_MS = 3_600_000
TIERS: dict[str, dict[str, Any]] = {
    "pro": {"weight": 5},
    "free": {"share_cap": 0.5},
    "job": {"concurrency": 1},
}
SIGNALS = ["ok", "", "rate", "ramp", "concurrency", "overloaded", "fault", "unreachable"]


@dataclass(frozen=True)
class Step:
    """One thing that happens; hypothesis prints it."""

    kind: str
    args: tuple[Any, ...] = ()


# What an upstream remembers and lies further ahead than any pause, deadline or lease.
FAR_AHEAD = """
local found = {}
local function look(name, value)
  if type(value) == 'table' then
    for inner, held in pairs(value) do
      look(name .. '.' .. inner, held)
    end
  elseif type(value) == 'number' and value > tonumber(ARGV[1]) + 400000 then
    found[#found + 1] = name
  end
end
for _, key in ipairs(KEYS) do
  local packed = redis.call('GET', key)
  look(key, packed and cmsgpack.unpack(packed))
end
return found
"""


class Run:
    """Steps at one upstream, and all that it answered; ``back_ms`` says by how much its clock is set back."""

    def __init__(self, client: redis.Redis, quota: Quota, account: Quota | None, back_ms: int) -> None:
        client.flushdb()
        publish(client, **TIERS)
        self.upstream = Upstream(client, quota)
        self.upstream.account_quota = account
        self.upstream.configure()
        self.back_ms = back_ms
        self.ids: list[str] = []
        self.heard: list[object] = []

    def play(self, steps: list[Step]) -> list[object]:
        for step in steps:
            answer = getattr(self, step.kind)(*step.args)
            shown = self.upstream.inspect()
            del shown["at_ms"]
            self.heard += [answer, shown, self.upstream.messages()]
            assert self.far_ahead() == []
        return [*self.heard, self.recorded(), self.upstream.history()]

    def recorded(self) -> list[object]:
        return [replace(event, at_ms=0) for event in self.upstream.events()]

    def far_ahead(self) -> object:
        keys = ("limits:{d1}:upstream", "limits:{a1}:account")
        return self.upstream.client.eval(FAR_AHEAD, len(keys), *keys, self.upstream.now)

    def chosen(self, number: int) -> str:
        return self.ids[number % len(self.ids)] if self.ids else "nobody"

    # Steps ------------------------------------------------------------------------------------------------

    def enqueue(self, tier: str, tenant: str, tokens: int, wait_ms: int) -> object:
        self.ids.append(f"q{len(self.ids)}")
        cost = Cost(tokens=tokens, input_tokens=tokens, output_tokens=tokens)
        return self.upstream.enqueue(self.ids[-1], tier=tier, tenant=tenant, cost=cost, wait_ms=wait_ms)

    def settle(
        self,
        number: int,
        actual: int,
        kind: str,
        retry_after_s: float | None = None,
        limit: int | None = None,
        sent_ms: int | None = None,
    ) -> object:
        limits = {} if limit is None else {"tokens": limit}
        word = ProviderWord(kind=kind, retry_after_s=retry_after_s, limits=limits)
        cost = Cost(tokens=actual, input_tokens=actual, output_tokens=actual)
        return self.upstream.settle(self.chosen(number), cost=cost, word=word, sent_ms=sent_ms)

    def cancel(self, number: int) -> object:
        return self.upstream.cancel(self.chosen(number))

    def feedback(self, kind: str, times: int) -> object:
        return [self.upstream.feedback(kind, 2000) for _ in range(times)]

    def wait(self, milliseconds: int, beating: bool) -> object:
        self.upstream.now += milliseconds
        if beating:
            return self.upstream.heartbeat(in_flight=tuple(self.ids))
        return self.upstream.dispatch()

    def set_back(self) -> object:
        self.upstream.now -= self.back_ms
        return None


def step(kind: str, *args: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.just(kind), st.tuples(*args))


amounts = st.integers(0, 1000)
numbers = st.integers(0, 30)
signals = st.sampled_from(SIGNALS)
steps = st.one_of(
    step(
        "enqueue", st.sampled_from(list(TIERS)), st.sampled_from(["a", "b"]), amounts, st.integers(1, 90_000)
    ),
    step(
        "settle",
        numbers,
        amounts,
        signals,
        st.one_of(st.none(), st.integers(0, 20)),
        st.one_of(st.none(), st.integers(1, 4000)),
        st.one_of(st.none(), st.integers(0, 3000)),
    ),
    step("wait", st.integers(0, 20_000), st.booleans()),
    step("cancel", numbers),
    step("feedback", signals, st.sampled_from([1, 10])),
    step("set_back"),
)
# Of a fixed window nobody knows which clock is the provider's; what those hold is in test_windows.py.
quotas = st.builds(
    Quota,
    rpm=st.one_of(st.none(), st.integers(1, 60)),
    tpm=st.one_of(st.none(), st.integers(500, 4000)),
    otpm=st.one_of(st.none(), st.integers(500, 4000)),
    rpd=st.one_of(st.none(), st.integers(5, 100)),
    concurrency=st.one_of(st.none(), st.integers(1, 6)),
    window=st.sampled_from([WindowKind.CONTINUOUS, WindowKind.SLIDING]),
    day_window=st.sampled_from([WindowKind.CONTINUOUS, WindowKind.SLIDING]),
    jitter_ms=st.integers(0, 800),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(quota=quotas, account=st.one_of(st.none(), quotas), steps=st.lists(steps, min_size=5, max_size=40))
def test_clock_that_is_set_back_changes_nothing_that_is_decided(
    redis_server: redis.Redis, quota: Quota, account: Quota | None, steps: list[Step]
) -> None:
    expected = Run(redis_server, quota, account, 0).play(steps)

    assert Run(redis_server, quota, account, HOUR_MS).play(steps) == expected


def asked(tier: str, times: int = 1, tokens: int = 1) -> list[Step]:
    return [Step("enqueue", (tier, "a", tokens, 60_000))] * times


def waited(milliseconds: int, times: int = 1) -> list[Step]:
    return [Step("wait", (milliseconds, False))] * times


BACK = [Step("set_back")]
CONTINUOUS = Quota(rpm=60, jitter_ms=0)


@pytest.mark.parametrize(
    ("quota", "steps"),
    [
        pytest.param(CONTINUOUS, [*asked("free", 31), *BACK, *waited(1000, 4)], id="line asleep"),
        pytest.param(
            Quota(concurrency=1, jitter_ms=0),
            [*asked("pro", 2), *waited(1000), *BACK, *waited(10_000, 4)],
            id="place of the dead",
        ),
        pytest.param(
            CONTINUOUS,
            [
                *[*asked("pro"), Step("settle", (0, 1, "rate", 1)), *waited(1000, 4)],
                *[*asked("pro"), Step("settle", (1, 1, "rate", 1)), *waited(1000, 4)],
                *[*asked("pro", 2), *BACK, *waited(1000, 6)],
            ],
            id="one call tries",
        ),
        pytest.param(
            CONTINUOUS,
            [
                *[Step("feedback", ("fault", 10)), *waited(5000), *asked("pro", 2), *BACK],
                *[Step("settle", (0, 1, "ok")), *waited(1000)],
            ],
            id="probe",
        ),
        pytest.param(
            Quota(rpm=60, window=WindowKind.SLIDING, jitter_ms=0),
            [*asked("pro", 2), *waited(6000), *asked("job", 40), *BACK, *waited(1000, 10)],
            id="paced line",
        ),
    ],
)
def test_clock_that_is_set_back_leaves_nobody_behind(
    redis_server: redis.Redis, quota: Quota, steps: list[Step]
) -> None:
    expected = Run(redis_server, quota, None, 0).play(steps)

    assert Run(redis_server, quota, None, HOUR_MS).play(steps) == expected


# What several upstreams share, and what only a provider's clock could tell, is set right otherwise. ---------


def test_tiers_own_limit_refills_from_a_clock_that_was_set_back(redis_server: redis.Redis) -> None:
    publish(redis_server, free={"rpm": 60})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    for number in range(61):
        upstream.enqueue(f"q{number}")
    upstream.now -= HOUR_MS
    for _ in range(3):
        upstream.dispatch()
        upstream.now += 1000

    assert upstream.granted() == ["q60"]


def test_allowance_refills_from_a_clock_that_was_set_back(redis_server: redis.Redis) -> None:
    publish(redis_server, {"project:1": {"rpm": 60}}, free={})
    upstream = Upstream(redis_server, Quota(jitter_ms=0))
    for _ in range(60):
        upstream.enqueue(project_id=1)
    upstream.now -= HOUR_MS
    refused = upstream.enqueue(project_id=1)
    upstream.now += 1000

    assert (refused["reason"], refused["retry_after_ms"]) == ("over_cap", "1000")
    assert upstream.enqueue(project_id=1)["status"] == "granted"


@pytest.mark.parametrize("back_ms", [5_000, 90_000, HOUR_MS])
def test_fixed_window_is_open_again_after_the_second_edge_at_the_latest(
    redis_server: redis.Redis, back_ms: int
) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=10, window=WindowKind.FIXED, jitter_ms=0))
    for _ in range(10):
        upstream.settle(upstream.enqueue()["id"])
    upstream.now -= back_ms
    upstream.dispatch()

    assert upstream.level("rpm") == 0
    upstream.now += 120_000
    assert upstream.level("rpm") == 10


def test_process_that_died_before_the_clock_was_set_back_is_dead(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=60, concurrency=1, jitter_ms=0))
    upstream.enqueue("first", tenant="other")
    upstream.enqueue("of the dead", wait_ms=600_000)
    upstream.run("register")
    other = Upstream(redis_server, upstream.quota, process="p2")
    other.now -= HOUR_MS
    for _ in range(60):
        other.now += 1000
        other.run("register")
        other.heartbeat(in_flight=("first",))
    other.settle("first")

    assert [event.error_class for event in other.events()] == ["", "abandoned"]


def test_upstream_made_after_the_clock_was_set_back_fills_up_from_then(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    witness = Upstream(redis_server, Quota(jitter_ms=0), name="d9")
    witness.epoch = "an earlier one"
    witness.configure()
    later = Upstream(redis_server, Quota(rpm=10, window=WindowKind.SLIDING, jitter_ms=0))
    later.now -= HOUR_MS
    later.configure()

    assert later.level("rpm") == 0
    later.now += 60_250
    assert later.level("rpm") == 10


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS])
def test_jump_of_the_clock_says_nothing_of_how_long_calls_take(
    redis_server: redis.Redis, jump_ms: int
) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(concurrency=1, jitter_ms=0))
    upstream.enqueue("first")
    upstream.now += 2000
    upstream.dispatch()
    upstream.now += jump_ms
    upstream.heartbeat(in_flight=("first",))
    upstream.settle("first")

    assert upstream.inspect()["hold_ms"] == 2000
    upstream.enqueue("second")
    assert int(upstream.enqueue("third", wait_ms=5000)["predicted_ms"]) == 2000


@pytest.mark.parametrize(
    ("caps", "account"), [({"project:1": {"rpm": 60}}, None), ({}, Quota(rpm=60, jitter_ms=0))]
)
def test_clock_that_goes_back_a_little_again_and_again_grants_nothing_more(
    redis_server: redis.Redis, caps: dict[str, dict[str, int]], account: Quota | None
) -> None:
    publish(redis_server, caps, free={})
    upstreams = [Upstream(redis_server, Quota(jitter_ms=0), name=name) for name in ("d1", "d2")]
    upstreams[1].now -= 99
    for upstream in upstreams:
        upstream.account_quota = account
        upstream.configure()
    granted = 0
    for number in range(200):
        answer = upstreams[number % 2].enqueue(wait_ms=0, project_id=1)
        granted += answer["status"] == "granted"

    assert granted == 60

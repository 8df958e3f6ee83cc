"""Demand played once more through the scripts of the limiter, under a clock of its own.

What is played is what the scripts decide: who waits, who is refused, what is charged. Everything else is
taken as given: requests arrive when they arrived, a call that is let through takes as long as it took, and
the provider accepts each. Events are discrete (arrivals, settlements, timers that the scripts ask for), so
a day takes seconds, and the same demand gives the same outcome whenever it is played.
"""

import heapq
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from readiness.lib.events import STREAM_KEY, UsageEvent
from readiness.lib.scopes import Scope
from readiness.limits.private_redis import PrivateRedis
from readiness.limits.publication import write_policy
from readiness.limits.quotas import configuration
from readiness.limits.scripts import INBOX_PREFIX, Answer, arguments, keys, read, version
from readiness.limits.tickets import Cost, ProviderWord, Ticket
from readiness.providers.base import Quota

PROCESS = "replay"

_BEAT_MS = 5_000
"""While calls are in flight the scripts run at least this often: they take a longer silence for an outage."""
_LEASE_MS = 86_400_000
_MOST_WAITERS = 100_000
_NO_BOUND = 10**12
_FORGET_EVERY = 1_000
"""Steps after which the usage events, which nobody reads here, are thrown away."""
_TELL_EVERY_S = 0.25
_SETTLE, _TIMER = 0, 1

Spending = Callable[[Scope, datetime, datetime], int]
"""Nano-dollars recorded for a scope between two moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One request as it came: what it asked for, and what it would really use if it is let through."""

    at_ms: int
    """Unix time of its arrival."""
    upstream: str
    tier: str
    tenant: str
    cost: Cost
    """At most, charged when it is granted."""
    actual: Cost
    """What the provider's limits were really charged."""
    tokens: int
    """Input and output that were really used."""
    nanos: int
    """Money that is reserved, and spent when it is granted."""
    hold_ms: int
    """How long the provider took, 1 at least."""
    project_id: int = 0
    api_key: str = ""
    end_user: str = ""
    longest_wait_ms: int | None = None
    """None for the tier's own longest wait."""
    group: str = ""
    """Under which the outcome is counted; empty for its tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Limits of one upstream, and of the account above it where that has any."""

    quota: Quota
    account: str = ""
    account_quota: Quota | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A policy that replaces the first one while requests wait."""

    at_ms: int
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that decides on demand."""

    policy: Mapping[str, Any]
    """As ``policy.published_fields`` gives it."""
    upstreams: Mapping[str, Upstream]
    zone: ZoneInfo
    """At whose midnights budgets begin."""
    spending: Spending = lambda scope, since, until: 0
    """Money spent before the first request arrived."""
    edit: Edit | None = None


@dataclass(slots=True)
class Fate:
    """What became of one request."""

    demand: Demand
    status: str = "waiting"
    """waiting, granted, refused or expired."""
    waited_ms: int = 0
    reason: str = ""
    limit: str = ""


def replay(
    redis: PrivateRedis,
    demand: Sequence[Demand],
    world: World,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Fate]:
    """The fate of every request, in the order of arrival.

    ``on_progress`` is called a few times a second with the number of requests that arrived; it may raise to
    end the replay. Redis is left empty but for the library.
    """
    play = _Play(redis, sorted(demand, key=lambda request: request.at_ms), world)
    try:
        play.run(on_progress)
    finally:
        redis.client.flushdb()
    return play.fates


@dataclass(frozen=True, slots=True)
class _Step:
    """One call of a script."""

    upstream: str
    script: str
    args: tuple[object, ...] = ()
    fate: int = -1
    """Which request it is about."""


@dataclass
class _Play:
    redis: PrivateRedis
    demand: Sequence[Demand]
    world: World
    fates: list[Fate] = field(init=False)

    def __post_init__(self) -> None:
        self.fates = [Fate(request) for request in self.demand]
        self._clock = self.demand[0].at_ms if self.demand else 0
        self._start = self._moment()
        self._arrived = self._undecided = self._steps = 0
        self._due: list[tuple[int, int, int, str]] = []
        """Heap of settlements and timers: moment, kind, request, upstream."""
        self._timers: dict[str, int] = {}
        self._in_flight = dict.fromkeys(self.world.upstreams, 0)
        self._edit = self.world.edit
        self._settled = ProviderWord(kind="ok").to_args(0)

    def run(self, on_progress: Callable[[int], None]) -> None:
        if not self.demand:
            return
        self._publish(self.world.policy)
        for name, upstream in self.world.upstreams.items():
            above = {"account": upstream.account, "account_quota": upstream.account_quota}
            config = configuration(name, upstream.quota, now=self._start, **above)  # type: ignore[arg-type]
            self._take([_Step(name, "configure", (config,))])
        told = time.monotonic()
        while self._arrived < len(self.demand) or self._undecided:
            self._clock = self._next_moment()
            self._take(self._steps_of_now())
            if time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                on_progress(self._arrived)
        on_progress(self._arrived)

    # The clock ------------------------------------------------------------------------------------------

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._clock / 1000, UTC)

    def _next_moment(self) -> int:
        moments = [self._due[0][0]] if self._due else []
        if self._arrived < len(self.demand):
            moments.append(self.demand[self._arrived].at_ms)
        if self._edit:
            moments.append(max(self._clock, self._edit.at_ms))
        return min(moments)

    def _steps_of_now(self) -> list[_Step]:
        """All that happens within this millisecond: settlements, timers, then arrivals.

        Scripts never ask for a timer below a millisecond and no call is shorter than that, so nothing that
        one of these steps leads to could come before the last of them.
        """
        if self._edit and self._clock >= self._edit.at_ms:
            self._publish(self._edit.policy)
            self._edit = None
        steps = []
        while self._due and self._due[0][0] <= self._clock:
            moment, kind, number, upstream = heapq.heappop(self._due)
            if kind == _SETTLE:
                self._in_flight[upstream] -= 1
                steps.append(_Step(upstream, "settle", self._settlement(number), number))
            elif self._timers.get(upstream) == moment:
                del self._timers[upstream]
                steps.append(_Step(upstream, "dispatch"))
        while self._arrived < len(self.demand) and self.demand[self._arrived].at_ms <= self._clock:
            steps.append(self._arrival(self._arrived))
            self._arrived, self._undecided = self._arrived + 1, self._undecided + 1
        return steps

    def _arm(self, upstream: str, wait_ms: int) -> None:
        """As the processes do: an earlier timer stays as it is."""
        if wait_ms < 0 and self._in_flight[upstream]:
            wait_ms = _BEAT_MS
        due = self._clock + max(1, wait_ms)
        if wait_ms >= 0 and self._timers.get(upstream, due + 1) > due:
            self._timers[upstream] = due
            heapq.heappush(self._due, (due, _TIMER, -1, upstream))

    # Scripts --------------------------------------------------------------------------------------------

    def _publish(self, policy: Mapping[str, Any]) -> None:
        write_policy(self.redis.client, policy, now=self._start, zone=self.world.zone)

    def _arrival(self, number: int) -> _Step:
        request = self.demand[number]
        ticket = _ticket(request, str(number), self.world.upstreams[request.upstream].quota)
        args = ticket.to_args(
            lease_ms=_LEASE_MS,
            longest_wait_ms=request.longest_wait_ms,
            most_waiters=_MOST_WAITERS,
            most_events=_NO_BOUND,
        )
        return _Step(request.upstream, "enqueue", args, number)

    def _settlement(self, number: int) -> tuple[object, ...]:
        request = self.demand[number]
        return (number, "{}", *request.actual.to_args(), request.nanos, *self._settled, 0, None, "[]")

    def _take(self, steps: Sequence[_Step]) -> None:
        """Runs the steps in one round trip and does what comes of each."""
        pipeline = self.redis.client.pipeline(transaction=False)
        inbox = INBOX_PREFIX + PROCESS
        for step in steps:
            argv = arguments(step.args, process=PROCESS, now_ms=self._clock)
            pipeline.fcall(version() + step.script, 2, *keys(step.upstream), *argv)
        pipeline.lpop(inbox, _MOST_WAITERS)
        self._steps += len(steps)
        if self._steps >= _FORGET_EVERY:
            self._steps = 0
            pipeline.delete(STREAM_KEY)
        told = pipeline.execute()
        for step, answer in zip(steps, told, strict=False):
            self._heed(step, read(answer))
        for message in told[len(steps)] or ():
            message = json.loads(message)
            self._hear(int(message["id"]), message)

    def _heed(self, step: _Step, answer: Answer) -> None:
        if step.script == "enqueue":
            if answer["status"] == "unloaded":
                self._load_money(step.upstream, answer["money"])
                self._take([step])
                return
            self._hear(step.fate, answer)
        self._arm(step.upstream, int(answer["wait_ms"]))

    def _hear(self, number: int, word: Answer) -> None:
        """What an answer or the inbox says of a request; the first that is no waiting decides."""
        fate = self.fates[number]
        if fate.status != "waiting" or word["status"] == "waiting":
            return
        self._undecided -= 1
        fate.status, fate.reason, fate.limit = word["status"], word.get("reason", ""), word.get("limit", "")
        if fate.status == "granted":
            fate.waited_ms = int(word["queue_ms"])
            self._in_flight[fate.demand.upstream] += 1
            heapq.heappush(
                self._due, (self._clock + fate.demand.hold_ms, _SETTLE, number, fate.demand.upstream)
            )
            self._arm(fate.demand.upstream, -1)
        elif fate.status == "expired":
            fate.waited_ms = self._clock - fate.demand.at_ms

    def _load_money(self, upstream: str, wanted: str) -> None:
        for scope, *windows in json.loads(wanted):
            begins = [datetime.fromtimestamp(window / 1000, UTC) for window in windows]
            spent = [
                self.world.spending(Scope.parse(scope), since, self._start) if since < self._start else 0
                for since in begins
            ]
            self._take([_Step(upstream, "load_money", (scope, *spent))])


def _ticket(request: Demand, number: str, quota: Quota) -> Ticket:
    event = UsageEvent(
        event_id=number,
        request_id=number,
        tier=request.tier,
        tenant=request.tenant,
        project_id=request.project_id,
        api_key=request.api_key,
        end_user=request.end_user,
        cost_nanos=request.nanos,
    )
    return Ticket(
        id=number,
        upstream=request.upstream,
        quota=quota,
        tier=request.tier,
        tenant=request.tenant,
        cost=request.cost,
        event=event,
    )

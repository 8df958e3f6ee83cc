"""The scripts called directly and many at a time, and what Redis itself says that they took.

No limiter process stands between: states of 100,000 waiting requests are built in seconds, and one kind of
call is measured alone. Server times are Redis's own (``INFO commandstats``); beside each stands a control
script of fixed work, run at the same moment, by which a loaded machine shows.
"""

import itertools
import json
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

import redis

from readiness.lib.events import STREAM_KEY, UsageEvent
from readiness.limits.publication import write_policy
from readiness.limits.quotas import configuration
from readiness.limits.scripts import Answer, arguments, keys, library, read, version
from readiness.limits.tickets import Cost, ProviderWord, Ticket
from readiness.providers.base import Quota

AT_ONCE = 200
"""Calls in one pipeline."""
ENDLESS_MS = 10**12
LEASE_MS = 3_600_000
PROJECT, TOKENS, NANOS = 12, 300, 7
"""Of every request."""
CONTROL = """
local packed = cmsgpack.pack({ at = 1.5, name = 'control', list = { 1, 2, 3, 4 } })
redis.call('SET', KEYS[1], packed, 'PX', 60000)
for i = 1, 10 do
  redis.call('ZADD', KEYS[1] .. ':order', i, i)
  packed = cmsgpack.pack(cmsgpack.unpack(redis.call('GET', KEYS[1])))
end
return #packed
"""

Command = tuple[Any, ...]


def four_buckets(limit: int = 10**9) -> Quota:
    """Requests and tokens per minute and per day: ``limit`` requests, a thousand times the tokens."""
    return Quota(rpm=limit, tpm=limit * 1000, rpd=limit * 1440, tpd=limit * 1_440_000, jitter_ms=0)


def publish(client: redis.Redis, tiers: Mapping[str, Mapping[str, Any]], **caps: Mapping[str, int]) -> None:
    """Policy without rows: tiers by name, with weight and concurrency; caps of the project by name."""
    fields: dict[str, Any] = {"lowest_weight": 1}
    fields |= {
        f"tier:{name}": {"weight": 1, "wait_ms": 60_000, "limits": {}, **settings}
        for name, settings in tiers.items()
    }
    fields |= {f"cap:{name.replace('_', ':')}": limits for name, limits in caps.items()}
    write_policy(client, fields, now=datetime.now(UTC), zone=ZoneInfo("UTC"))


def tenant_of(request_id: str) -> str:
    return request_id.partition(".")[0]


def _event(request_id: str, tier: str) -> UsageEvent:
    return UsageEvent(
        event_id=request_id,
        request_id=request_id,
        project_id=PROJECT,
        tier=tier,
        tenant=tenant_of(request_id),
        input_tokens=TOKENS,
        output_tokens=1,
        cost_nanos=NANOS,
    )


@dataclass(slots=True)
class Direct:
    """One upstream and the commands of one process, of the same name."""

    client: redis.Redis
    upstream: str
    quota: Quota
    now_ms: float | None = None
    """A clock that stands still unless it is moved; None for the server's."""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    """Of its requests."""

    @classmethod
    def configured(cls, client: redis.Redis, upstream: str, quota: Quota, **options: Any) -> Self:
        client.function_load(library(), replace=True)
        made = cls(client, upstream, quota, **options)
        made.send([made.command("configure", configuration(upstream, quota, now=datetime.now(UTC)))])
        return made

    def command(self, script: str, *args: object) -> Command:
        argv = arguments(args, process=self.upstream, now_ms=self.now_ms)
        return ("FCALL", version() + script, 2, *keys(self.upstream), *argv)

    def enqueue(self, request_id: str, *, tier: str = "free", tokens: int = TOKENS) -> Command:
        """The arguments are those of a call of a real project, with an event as the door writes it."""
        ticket = Ticket(
            id=request_id,
            upstream=self.upstream,
            quota=self.quota,
            tier=tier,
            tenant=tenant_of(request_id),
            cost=Cost(tokens=tokens, input_tokens=tokens, output_tokens=1),
            event=_event(request_id, tier),
        )
        args = ticket.to_args(
            lease_ms=LEASE_MS, longest_wait_ms=ENDLESS_MS, most_waiters=10**6, most_events=10**7
        )
        return self.command("enqueue", *args)

    def settle(self, request_id: str, *, tier: str = "free") -> Command:
        cost = Cost(tokens=TOKENS, input_tokens=TOKENS, output_tokens=1).to_args()
        word = ProviderWord(kind="ok").to_args(0)
        event = json.dumps(_event(request_id, tier).to_fields())
        return self.command("settle", request_id, event, *cost, NANOS, *word, 0, 0, "[]")

    def ids(self, number: int, tenants: int = 1) -> list[str]:
        """Names of further requests, as long as real ones, of the tenants in turn; see ``tenant_of``."""
        return [f"t{n % tenants}.{n:0>24}" for n in itertools.islice(self.numbers, number)]

    def send(self, commands: Sequence[Command]) -> list[Answer]:
        """All of them in order, many at a time; what the scripts answered."""
        answers: list[Answer] = []
        for first in range(0, len(commands), AT_ONCE):
            pipeline = self.client.pipeline(transaction=False)
            for command in commands[first : first + AT_ONCE]:
                pipeline.execute_command(*command)
            answers += [read(flat) for flat in pipeline.execute()]
        return answers

    def expect(self, status: str, commands: Sequence[Command]) -> None:
        """Sends them; raises ``RuntimeError`` where a script answered something else."""
        for answer in self.send(commands):
            if answer["status"] != status:
                raise RuntimeError(f"expected {status}: {answer}")


@dataclass(slots=True)
class Timing:
    """Server time of one kind of call, over rounds."""

    client: redis.Redis
    calls: dict[str, list[float]] = field(default_factory=dict)
    control: list[float] = field(default_factory=list)

    def round(self, name: str, work: Callable[[], object]) -> None:
        """Mean server time of the script calls that ``work`` makes; then the stream of events is emptied."""
        self.client.config_resetstat()
        work()
        self.calls.setdefault(name, []).append(self._microseconds("fcall"))
        self.client.xtrim(STREAM_KEY, maxlen=0, approximate=False)

    def round_of_control(self) -> None:
        self.client.config_resetstat()
        pipeline = self.client.pipeline(transaction=False)
        for _ in range(AT_ONCE):
            pipeline.eval(CONTROL, 1, "benchmark:control")
        pipeline.execute()
        self.control.append(self._microseconds("eval"))

    def _microseconds(self, command: str) -> float:
        return float(self.client.info("commandstats")[f"cmdstat_{command}"]["usec_per_call"])

    def join_last(self, names: Sequence[str], rounds: int) -> None:
        """Makes one round of the last few small ones."""
        for name in names:
            found = self.calls[name]
            found[-rounds:] = [statistics.mean(found[-rounds:])]

    def medians(self) -> dict[str, float]:
        """Microseconds by kind of call: the median of the rounds' means."""
        return {name: round(statistics.median(found), 1) for name, found in self.calls.items()}

    def fastest(self) -> dict[str, float]:
        """The same of each kind's fastest round, which a loaded machine disturbed least."""
        return {name: round(min(found), 1) for name, found in self.calls.items()}

    def machine(self) -> dict[str, float]:
        """How loaded the machine was: the control's median and fastest round, and the load average."""
        return {
            "control_us": round(statistics.median(self.control), 1),
            "control_fastest_us": round(min(self.control), 1),
            "load_average": round(os.getloadavg()[0], 2),
        }

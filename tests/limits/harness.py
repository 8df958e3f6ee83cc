"""The scripts on a real Redis under a clock that the test moves."""

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import redis

from readiness.lib.events import STREAM_KEY, UsageEvent
from readiness.limits.publication import write_policy
from readiness.limits.quotas import configuration
from readiness.limits.scripts import INBOX_PREFIX, Answer, arguments, call
from readiness.limits.tickets import Cost, ProviderWord, Ticket
from readiness.providers.base import Quota

START_MS = 1_800_000_000_000
"""A Friday morning, 2027-01-15 08:00 UTC."""
LEASE_MS = 30_000
CONSTANT_KEYS = frozenset(
    {
        "limits:policy",
        "limits:edges:day",
        "limits:edges:month",
        "limits:epoch",
        "limits:upstreams",
        "limits:processes",
        STREAM_KEY,
    }
)
"""All that may stay without an end: there is one of each."""


def publish(
    client: redis.Redis, caps: Mapping[str, Mapping[str, int]] | None = None, **tiers: Mapping[str, Any]
) -> None:
    """Tiers: name to weight, wait_ms, concurrency, share_cap, rpm, tpm, day, month. Caps by scope."""
    fields: dict[str, Any] = {
        "lowest_weight": min((tier.get("weight", 1) for tier in tiers.values()), default=1)
    }
    for name, settings in tiers.items():
        scope = f"tier:{name}"
        given = {unit: settings[unit] for unit in ("rpm", "tpm", "day", "month") if unit in settings}
        # An override inherits a limit together with the bucket in which it counts.
        limits = {
            unit: list(limit) if isinstance(limit, tuple) else [limit, scope] for unit, limit in given.items()
        }
        others = {key: value for key, value in settings.items() if key not in limits}
        fields[scope] = {"weight": 1, "wait_ms": 60_000, "limits": limits} | others
    fields |= {f"cap:{scope}": limits for scope, limits in (caps or {}).items()}
    now, zone = datetime.fromtimestamp(START_MS / 1000, UTC), ZoneInfo("UTC")
    write_policy(client, fields, now=now, zone=zone)


class Upstream:
    """One upstream, one process, one clock in milliseconds."""

    def __init__(
        self, client: redis.Redis, quota: Quota | None = None, *, name: str = "d1", process: str = "p1"
    ) -> None:
        self.client, self.name, self.process = client, name, process
        self.quota = quota or Quota(rpm=60, jitter_ms=0)
        self.account_quota: Quota | None = None
        self.now = float(START_MS)
        self.epoch = ""
        self._ids = itertools.count()

    def follow_server(self, ago_ms: float = 0) -> None:
        """Sets the clock to the server's own, which pages and periodic jobs go by, or to earlier."""
        seconds, microseconds = self.client.time()
        self.now = seconds * 1000 + microseconds / 1000 - ago_ms

    def run(self, script: str, *args: object) -> Answer:
        argv = arguments(args, process=self.process, epoch=self.epoch, now_ms=self.now)
        answer = call(self.client, script, self.name, argv)
        self.epoch = answer.get("epoch") or self.epoch
        return answer

    def configure(self, quota: Quota | None = None) -> Answer:
        self.quota = quota or self.quota
        now = datetime.fromtimestamp(self.now / 1000, UTC)
        account = {"account": "a1", "account_quota": self.account_quota}
        return self.run("configure", configuration(self.name, self.quota, now=now, **account))  # type: ignore[arg-type]

    def ticket(
        self,
        request_id: str,
        *,
        tier: str = "free",
        tenant: str = "t",
        tokens: int = 1,
        cost: Cost | None = None,
        nanos: int = 7,
        project_id: int = 0,
        api_key: str = "",
        end_user: str = "",
    ) -> Ticket:
        event = UsageEvent(
            event_id=request_id,
            request_id=request_id,
            tier=tier,
            input_tokens=tokens,
            output_tokens=5,
            cost_nanos=nanos,
            project_id=project_id,
            api_key=api_key,
            end_user=end_user,
        )
        return Ticket(
            id=request_id,
            upstream=self.name,
            quota=self.quota,
            tier=tier,
            tenant=tenant,
            cost=cost or Cost(tokens=tokens, input_tokens=tokens),
            event=event,
        )

    def enqueue(
        self,
        request_id: str = "",
        *,
        wait_ms: int | None = 60_000,
        most_waiters: int = 1000,
        most_events: int = 1_000_000,
        **ticket: Any,
    ) -> Answer:
        """Asks for a permit, and configures the upstream where it must; the answer has the request's id."""
        request_id = request_id or f"r{next(self._ids)}"
        args = self.ticket(request_id, **ticket).to_args(
            lease_ms=LEASE_MS, longest_wait_ms=wait_ms, most_waiters=most_waiters, most_events=most_events
        )
        answer = self.run("enqueue", *args)
        if answer["status"] == "unconfigured":
            self.configure()
            answer = self.run("enqueue", *args)
        return {"id": request_id} | answer

    def dispatch(self) -> int:
        return int(self.run("dispatch")["wait_ms"])

    def settle(
        self,
        request_id: str,
        *,
        cost: Cost | None = None,
        tokens: int = 1,
        word: ProviderWord | None = None,
        scopes: Sequence[str] = (),
        sent_ms: int | None = None,
        **event: Any,
    ) -> Answer:
        usage = UsageEvent(event_id=request_id, request_id=request_id, **event)
        word = word or ProviderWord(kind="ok" if usage.outcome == "ok" else "")
        fields = json.dumps(usage.to_fields())
        charged = (cost or Cost(tokens=tokens, input_tokens=tokens)).to_args()
        return self.run(
            "settle",
            *(request_id, fields, *charged, usage.cost_nanos),
            *(*word.to_args(0), word.age_ms, sent_ms, json.dumps(list(scopes))),
        )

    def cancel(self, request_id: str) -> Answer:
        return self.run("cancel", request_id)

    def heartbeat(self, *, waiting: tuple[str, ...] = (), in_flight: tuple[str, ...] = ()) -> list[Answer]:
        answer = self.run("heartbeat", LEASE_MS, len(waiting), *waiting, *in_flight)
        changed: list[Answer] = json.loads(answer["changed"])
        return changed

    def load_money(self, scope: str, day: int = 0, month: int = 0) -> Answer:
        return self.run("load_money", scope, day, month)

    def feedback(
        self,
        kind: str,
        retry_after_ms: int | None = None,
        requests: int | None = None,
        tokens: int | None = None,
    ) -> Answer:
        told = {"requests": requests, "tokens": tokens}
        remaining = {unit: left for unit, left in told.items() if left is not None}
        retry_after_s = None if retry_after_ms is None else retry_after_ms / 1000
        word = ProviderWord(kind=kind, retry_after_s=retry_after_s, remaining=remaining)
        return self.run("feedback", *word.to_args(0))

    def inspect(self) -> dict[str, Any]:
        state = self.run("inspect")["state"]
        found: dict[str, Any] = json.loads(state) if state else {}
        return found

    def level(self, bucket: str) -> float:
        """What is left in a bucket now."""
        return next(shown["level"] for shown in self.inspect()["buckets"] if shown["name"] == bucket)

    def messages(self) -> list[Answer]:
        """What the process was told since the last call."""
        inbox = INBOX_PREFIX + self.process
        found = [json.loads(message) for message in self.client.lrange(inbox, 0, -1)]
        self.client.delete(inbox)
        return found

    def granted(self) -> list[str]:
        """Ids granted by messages since the last call."""
        return [message["id"] for message in self.messages() if message["status"] == "granted"]

    def events(self) -> list[UsageEvent]:
        return [UsageEvent.from_entry(fields) for _, fields in self.client.xrange(STREAM_KEY)]

    def history(self) -> list[str]:
        """Kinds of what happened to the upstream, oldest first."""
        return [fields["kind"] for _, fields in self.client.xrange(f"limits:{{{self.name}}}:history")]

"""The scripts on a real Redis under a clock that the test moves."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

import redis

from readiness.lib.events import STREAM_KEY, UsageEvent
from readiness.limits.scripts import INBOX_PREFIX, TIERS_KEY, Answer, arguments, keys, read, source
from readiness.providers.base import Quota

START_MS = 1_800_000_000_000
LEASE_MS = 30_000


def publish(client: redis.Redis, **tiers: Mapping[str, int]) -> None:
    """Tiers as ``services.publish_tiers`` writes them: name to weight, rpm, tpm, wait_ms."""
    fields: dict[str, int] = {"lowest_weight": min((t.get("weight", 1) for t in tiers.values()), default=1)}
    for name, settings in tiers.items():
        merged = {"weight": 1, "wait_ms": 60_000} | dict(settings)
        fields |= {f"{name}:{setting}": value for setting, value in merged.items()}
    client.delete(TIERS_KEY)
    client.hset(TIERS_KEY, mapping=fields)  # type: ignore[arg-type]


class Upstream:
    """One upstream, one process, one clock in milliseconds."""

    def __init__(
        self, client: redis.Redis, quota: Quota | None = None, *, name: str = "d1", process: str = "p1"
    ) -> None:
        self.client, self.name, self.process = client, name, process
        self.quota = quota or Quota(rpm=60)
        self.now = float(START_MS)
        self.epoch = ""
        self._ids = itertools.count()
        self._scripts: dict[str, Any] = {}

    def follow_server(self, ago_ms: float = 0) -> None:
        """Sets the clock to the server's own, which pages and periodic jobs go by, or to earlier."""
        seconds, microseconds = self.client.time()
        self.now = seconds * 1000 + microseconds / 1000 - ago_ms

    def run(self, script: str, *args: object) -> Answer:
        argv = arguments(args, process=self.process, epoch=self.epoch, now_ms=self.now)
        if script not in self._scripts:
            self._scripts[script] = self.client.register_script(source(script))
        answer = read(self._scripts[script](keys=keys(self.name), args=argv))
        self.epoch = answer.get("epoch") or self.epoch
        return answer

    def enqueue(
        self,
        request_id: str = "",
        *,
        tier: str = "free",
        tenant: str = "t",
        tokens: int = 1,
        wait_ms: int | None = 60_000,
        most_waiters: int = 1000,
        most_events: int = 1000,
    ) -> Answer:
        """Asks for a permit; the answer has the request's ``id`` too."""
        request_id = request_id or f"r{next(self._ids)}"
        event = UsageEvent(
            event_id=request_id,
            request_id=request_id,
            tier=tier,
            input_tokens=tokens,
            output_tokens=5,
            cost_nanos=7,
        )
        q = self.quota
        who = (request_id, tier, tenant, tokens, wait_ms, LEASE_MS, json.dumps(event.to_fields()))
        bounds = (q.rpm, q.tpm, q.rpd, q.concurrency, most_waiters, most_events)
        return {"id": request_id} | self.run("enqueue", *who, *bounds, self.name)

    def dispatch(self) -> int:
        return int(self.run("dispatch")["wait_ms"])

    def settle(self, request_id: str, *, requests: int = 1, tokens: int = 1, **event: Any) -> Answer:
        usage = UsageEvent(event_id=request_id, request_id=request_id, **event)
        return self.run("settle", request_id, json.dumps(usage.to_fields()), requests, tokens)

    def cancel(self, request_id: str) -> Answer:
        return self.run("cancel", request_id)

    def heartbeat(self, *, waiting: tuple[str, ...] = (), in_flight: tuple[str, ...] = ()) -> list[Answer]:
        answer = self.run("heartbeat", LEASE_MS, len(waiting), *waiting, *in_flight)
        changed: list[Answer] = json.loads(answer["changed"])
        return changed

    def feedback(
        self,
        kind: str,
        retry_after_ms: int | None = None,
        requests: int | None = None,
        tokens: int | None = None,
    ) -> Answer:
        return self.run("feedback", kind, retry_after_ms, 0, requests, tokens)

    def inspect(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.run("inspect")["state"])
        return state

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
        return [UsageEvent.from_fields(fields) for _, fields in self.client.xrange(STREAM_KEY)]

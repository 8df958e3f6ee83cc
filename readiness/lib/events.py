"""The usage event: what the limiter's settle step writes to the stream and the recorder turns into rows.

One event describes one attempt at a provider, or one request that never reached it. ``version`` grows when a
later fact replaces an earlier one: an orphan's estimate (1) gives way to the late settlement (2).
"""

import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Self

STREAM_KEY = "telemetry:events"
"""Redis Stream that carries usage events from the settle script to the recorder."""


class Outcome(StrEnum):
    """How an attempt ended. Only the first four reached the provider."""

    OK = "ok"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ORPHANED = "orphaned"
    REFUSED = "refused"
    EXPIRED = "expired"


class Purpose(StrEnum):
    """Why the call was made."""

    APP = "app"
    BENCHMARK = "benchmark"
    JUDGE = "judge"
    SPOT_CHECK = "spot_check"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """One attempt. Times in milliseconds, money in nano-dollars; -1 where a time was not observed."""

    event_id: str
    request_id: str
    version: int = 1
    at_ms: int = 0
    """Unix time of the settlement by Redis's clock, filled in by the settle script."""
    attempt: int = 1
    final: bool = True
    """False when another attempt of the same request follows."""
    outcome: str = Outcome.OK
    project_id: int = 0
    deployment_id: int = 0
    tier: str = ""
    tenant: str = ""
    end_user: str = ""
    """Whom the customer's app called for, as it names them; at most 200 characters."""
    api_key: str = ""
    """Id of the API key that was used, never the key."""
    purpose: str = Purpose.APP
    run_id: str = ""
    prompt_hash: str = ""
    model: str = ""
    """Model id as the provider returned it; the requested id where it returned none."""
    http_status: int = 0
    error_class: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_nanos: int = 0
    queue_ms: int = 0
    queued: bool = False
    """True when the permit had to wait: a 429 that the queue absorbed."""
    predicted_ms: int = -1
    """Wait that was predicted when the request was queued."""
    refused_by: str = ""
    """Which limit said no, and whose: ``project:12 day``."""
    retry_after_ms: int = 0
    """After a refusal: when another try makes sense; 0 where waiting does not help."""
    provider_ms: int = -1
    ttft_ms: int = -1
    simulated: bool = False

    def to_fields(self) -> dict[str, str]:
        """Flat strings for a Redis Stream entry; booleans as 0 and 1."""
        return {name: str(int(v) if isinstance(v, bool) else v) for name, v in asdict(self).items()}

    @classmethod
    def from_entry(cls, raw: dict[str, str]) -> Self:
        """The event of a stream entry: ``event`` is the JSON of ``to_fields``, and every other field replaces
        one of it. Entries without it, written by older versions, are flat. ValueError for anything else.
        """
        told = json.loads(raw.get("event", "{}"))
        if not isinstance(told, dict):
            raise ValueError("the field event of the entry is no JSON object")
        return cls.from_fields({**told, **raw})

    @classmethod
    def from_fields(cls, raw: dict[str, str]) -> Self:
        """The event of flat fields. Unknown fields are ignored: two versions may run side by side."""
        values: dict[str, object] = {}
        for field in fields(cls):
            if field.name not in raw:
                continue
            text = raw[field.name]
            if field.type is bool:
                values[field.name] = text == "1"
            elif field.type is int:
                values[field.name] = int(float(text))
            else:
                values[field.name] = text
        return cls(**values)  # type: ignore[arg-type]

"""A provider that answers from a script, and what its answers cost."""

import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import httpx

from readiness.providers.models import Deployment, PriceOverride
from tests.builders import make_deployment

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

SUPPORTED = json.dumps({"verdict": "supported", "spans": [], "reason": "It says so."})


class Provider:
    """Answers by model: the judge's reply, and the text of re-asked questions. Counts calls."""

    def __init__(self) -> None:
        self.verdict: str | httpx.Response = SUPPORTED
        self.reply: str | httpx.Response = "Warranty lasts two years."
        self.calls: Counter[str] = Counter()
        self.bodies: list[dict[str, object]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.calls[body["model"]] += 1
        self.bodies.append(body)
        said = self.verdict if body["model"] == "judge" else self.reply
        if isinstance(said, httpx.Response):
            return said
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        return httpx.Response(200, json={"model": body["model"], "choices": [choice], "usage": usage})


def priced(model: str) -> Deployment:
    """A deployment at one dollar per million tokens: 110,000 nano-dollars for each scripted call."""
    deployment = make_deployment(name=model, model=model)
    for unit in ("input_token", "output_token"):
        PriceOverride.objects.create(
            deployment=deployment, unit=unit, usd_per_million=Decimal(1), effective_from=date(2026, 1, 1)
        )
    return deployment


CALL_NANOS = 110_000

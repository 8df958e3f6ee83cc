"""Keyword builders of criteria, evidence and situations; each test says only what it is about."""

from datetime import UTC, datetime
from typing import Any

from readiness.checklist.catalogue import Criterion
from readiness.checklist.evidence import EvidenceView, Part
from readiness.checklist.rules import Judgement, Situation
from readiness.checklist.statuses import Status
from readiness.lib.formats import SPACE
from readiness.lib.statistics import Method, estimate_rate

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

PRODUCERS = frozenset(
    {
        "projects.requirements",
        "benchmarks.own_sample",
        "benchmarks.runtime",
        "benchmarks.unit_cost",
        "quality.spot_checks",
        "reviews.decisions",
        "limits.provider_quota",
        "operations.monitoring",
        "operations.overload",
        "operations.contention",
        "operations.spend_caps",
        "operations.lost_processes",
    }
)
"""What this version measures."""


def plain(text: str) -> str:
    """``text`` with ordinary spaces, as one types it."""
    return text.replace(SPACE, " ")


def rule_row(**fields: Any) -> dict[str, Any]:
    return {"name": "rate", "label": "Wrong answers", "type": "rate_at_most", "threshold": 0.05} | fields


def criterion_row(**fields: Any) -> dict[str, Any]:
    return {
        "id": "Q3",
        "title": "Hallucination rate is bounded",
        "short": "hallucination bound",
        "why": "Because it matters.",
        "kind": "automatic",
        "producer": "tests.rate",
        "parts": [rule_row()],
        "fix": {"text": "Measure it."},
    } | fields


def criterion(*rules: dict[str, Any], step: int = 3, **fields: Any) -> Criterion:
    parts = {"parts": list(rules)} if rules else {}
    return Criterion.model_validate(criterion_row(step=step, **parts, **fields))


def blocker(**fields: Any) -> Criterion:
    return criterion(**({"blocker": True, "starter": True} | fields))


def rate(failures: int, n: int, name: str = "rate", method: Method = Method.CLOPPER_PEARSON) -> Part:
    return Part.from_estimate(name, estimate_rate(failures, n, method=method))


def evidence(*parts: Part, **fields: Any) -> EvidenceView:
    return EvidenceView(parts=parts, **({"measured_at": NOW} | fields))


def situation(**fields: Any) -> Situation:
    defaults: dict[str, Any] = {"now": NOW, "category": "text"}
    return Situation(**(defaults | fields))


def judgement(status: Status, **fields: Any) -> Judgement:
    return Judgement(blocker(**fields), status, "For a reason.")

"""Step 6: whether our limits keep the provider from refusing, and whether trouble can be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.urls import reverse

from readiness.checklist.evidence import Part
from readiness.checklist.measurements import Draft, Measurement
from readiness.checklist.producers import produces
from readiness.checklist.subjects import Subject
from readiness.limits.queries import samples_since, stated_limits
from readiness.limits.tickets import LimiterUnavailableError
from readiness.providers.models import LIMITS, Deployment
from readiness.providers.queries import account_quota_of
from readiness.telemetry.queries import Signals, recorded_signals, upstream_429_count

REFUSAL_DAYS = 7
SIGNAL_HOURS = 24

_Offered = tuple[str, float, float]
"""A unit, our limit, and the provider's."""

_LIMIT_ON: Final = {"requests": "rpm", "tokens": "tpm", "input_tokens": "itpm", "output_tokens": "otpm"}
_COVERED_BY: Final = {
    "requests": ({"rpm"},),
    "tokens": ({"tpm"}, {"itpm", "otpm"}),
    "input_tokens": ({"itpm"}, {"tpm"}),
    "output_tokens": ({"otpm"}, {"tpm"}),
}
"""Which limits of ours keep one that a provider states per minute: all of any of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quota:
    """What is limited here, beside what the provider says that it grants."""

    is_limited: bool
    offered: Sequence[_Offered]
    open: Sequence[str]
    """What the provider limits and we do not, in words."""


@produces("limits.provider_quota")
def provider_quota(subject: Subject) -> Measurement | None:
    """R2: whether the deployment has limits, how they compare with what the provider says that it grants, and
    how often it refused all the same."""
    deployment = subject.deployment
    since = subject.now - timedelta(days=REFUSAL_DAYS)
    if deployment is None or (quota := _quota(deployment, since)) is None:
        return None
    refused, attempts = upstream_429_count(subject.project, deployment, since)
    hour = subject.now.replace(minute=0, second=0, microsecond=0)
    return Measurement(
        method="quota/3",
        # Every call adds an attempt: without a refusal, a row an hour tells it all.
        identity=(
            deployment.pk,
            sorted(subject.only("M", "L").items()),
            refused,
            attempts > 0,
            quota.is_limited,
            quota.offered,
            quota.open,
            hour,
        ),
        measure=partial(_measure_quota, subject, refused, attempts, quota),
    )


def _quota(deployment: Deployment, since: datetime) -> _Quota | None:
    """None while Redis is away. ``since``: how old the provider's word may be, where Redis has lost it."""
    try:
        stated = sorted(stated_limits(deployment, since).items())
    except LimiterUnavailableError:
        return None
    ours = _limits_of(deployment)
    return _Quota(
        is_limited=bool(ours),
        offered=[
            (_LIMIT_ON[unit], ours[_LIMIT_ON[unit]], limit)
            for unit, limit in stated
            if _LIMIT_ON[unit] in ours
        ],
        open=[
            _open_words(unit, limit)
            for unit, limit in stated
            if not any(needed <= ours.keys() for needed in _COVERED_BY[unit])
        ],
    )


def _limits_of(deployment: Deployment) -> dict[str, int]:
    """Its own limits and those of the whole account, the smaller where there are both."""
    holders = (deployment, account_quota_of(deployment.account))
    found = {name: [limit for of in holders if (limit := getattr(of, name, None))] for name in LIMITS}
    return {name: min(limits) for name, limits in found.items() if limits}


def _open_words(unit: str, limit: float) -> str:
    what = unit.replace("_", " ")
    return f"the provider grants {limit:,.0f} {what} a minute, and there is no limit on them here"


def _measure_quota(subject: Subject, refused: int, attempts: int, quota: _Quota) -> Draft:
    deployment = subject.deployment
    assert deployment is not None
    limited = Part("limited", int(quota.is_limited and not quota.open), note="; ".join(quota.open))
    share = Part("refused", refused / attempts, attempts) if attempts else _no_attempts()
    return Draft(
        parts=(limited, *_configured(quota.offered), share),
        measured_at=subject.now,
        fingerprint=subject.only("L", "M"),
        simulated=subject.simulated,
        explanation=f"{deployment.name}, last {REFUSAL_DAYS} days",
        link=reverse("telemetry:traffic", args=[subject.project.slug]),
    )


def _configured(offered: Sequence[_Offered]) -> list[Part]:
    """Nothing for a provider that says nothing of its limits: nobody can measure that."""
    if not offered:
        return []
    unit, ours, theirs = max(offered, key=lambda bucket: bucket[1] / bucket[2])
    return [Part("configured", ours / theirs, note=f"{ours:,.0f} of {theirs:,.0f} {unit.upper()}")]


def _no_attempts() -> Part:
    return Part("refused", None, 0, note=f"no call in {REFUSAL_DAYS} days")


@produces("operations.monitoring")
def monitoring(subject: Subject) -> Measurement | None:
    """R6: which of the signals that explain one another were recorded in the last day."""
    if subject.deployment is None:
        return None
    since = subject.now - timedelta(hours=SIGNAL_HOURS)
    signals = recorded_signals(subject.project, since)
    depth = samples_since(subject.deployment, since).exists()
    present = (signals.attempts > 0, depth, signals.waits, signals.spend_nanos > 0)
    return Measurement(
        method="monitoring/2",
        identity=(subject.deployment.pk, sorted(subject.only("L").items()), present, subject.now.date()),
        measure=partial(_measure_signals, subject, signals, depth),
    )


def _measure_signals(subject: Subject, signals: Signals, depth: bool) -> Draft:
    seen = {
        "429s": signals.attempts > 0,
        "queue depth": depth,
        "wait": signals.waits,
        "spend": signals.spend_nanos > 0,
        "provider errors": signals.attempts > 0,
    }
    missing = [name for name, present in seen.items() if not present]
    share = (len(seen) - len(missing)) / len(seen)
    note = f"nothing of {', '.join(missing)}" if missing else ""
    return Draft(
        parts=(Part("signals", share, len(seen), note=note),),
        measured_at=subject.now,
        fingerprint=subject.only("L"),
        simulated=subject.simulated,
        explanation=f"Last {SIGNAL_HOURS} hours",
        link=reverse("telemetry:traffic", args=[subject.project.slug]),
    )

"""Step 6: whether our limits keep the provider from refusing, and whether trouble can be seen."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.urls import reverse

from readiness.checklist.evidence import Part
from readiness.checklist.measurements import Draft, Measurement
from readiness.checklist.producers import produces
from readiness.checklist.subjects import Subject
from readiness.limits.queries import samples_since, upstream_of, upstream_state
from readiness.limits.tickets import LimiterUnavailableError
from readiness.providers.models import LIMITS, Deployment
from readiness.telemetry.queries import Signals, recorded_signals, upstream_429_count

REFUSAL_DAYS = 7
SIGNAL_HOURS = 24

_Offered = tuple[str, float, float]
"""A unit, our limit, and the provider's."""


@produces("limits.provider_quota")
def provider_quota(subject: Subject) -> Measurement | None:
    """R2: whether the deployment has limits, how they compare with what the provider says that it grants, and
    how often it refused all the same."""
    deployment = subject.deployment
    if deployment is None or (offered := _offered(deployment)) is None:
        return None
    refused, attempts = upstream_429_count(
        subject.project, deployment, subject.now - timedelta(days=REFUSAL_DAYS)
    )
    hour = subject.now.replace(minute=0, second=0, microsecond=0)
    return Measurement(
        method="quota/2",
        # Every call adds an attempt: without a refusal, a row an hour tells it all.
        identity=(
            deployment.pk,
            sorted(subject.only("M", "L").items()),
            refused,
            attempts > 0,
            offered,
            hour,
        ),
        measure=partial(_measure_quota, subject, refused, attempts, offered),
    )


def _offered(deployment: Deployment) -> Sequence[_Offered] | None:
    """For each limit that the provider tells its own word on; None while Redis is away."""
    try:
        buckets = upstream_state(upstream_of(deployment.pk)).buckets
    except LimiterUnavailableError:
        return None
    return [(bucket.unit, bucket.configured, bucket.offered) for bucket in buckets if bucket.offered]


def _measure_quota(subject: Subject, refused: int, attempts: int, offered: Sequence[_Offered]) -> Draft:
    deployment = subject.deployment
    assert deployment is not None
    limited = any(getattr(deployment, unit) is not None for unit in LIMITS)
    share = Part("refused", refused / attempts, attempts) if attempts else _no_attempts()
    return Draft(
        parts=(Part("limited", int(limited)), *_configured(offered), share),
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

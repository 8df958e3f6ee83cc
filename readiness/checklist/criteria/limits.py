"""Step 6: whether our limits keep the provider from refusing, and whether trouble can be seen."""

from datetime import timedelta
from functools import partial

from django.urls import reverse

from readiness.checklist.evidence import Part
from readiness.checklist.measurements import Draft, Measurement, NotNowError
from readiness.checklist.producers import produces
from readiness.checklist.subjects import Subject
from readiness.limits.queries import upstream_of, upstream_state
from readiness.limits.tickets import LimiterUnavailableError
from readiness.telemetry.queries import Signals, recorded_signals, upstream_429_count

REFUSAL_DAYS = 7
SIGNAL_HOURS = 24


@produces("limits.provider_quota")
def provider_quota(subject: Subject) -> Measurement | None:
    """R2: whether the deployment has limits, and how often the provider refused all the same."""
    deployment = subject.deployment
    if deployment is None:
        return None
    refused, attempts = upstream_429_count(
        subject.project, deployment, subject.now - timedelta(days=REFUSAL_DAYS)
    )
    hour = subject.now.replace(minute=0, second=0, microsecond=0)
    return Measurement(
        method="quota/1",
        # Every call adds an attempt: without a refusal, a row an hour tells it all.
        identity=(deployment.pk, sorted(subject.only("M", "L").items()), refused, attempts > 0, hour),
        measure=partial(_measure_quota, subject, refused, attempts),
    )


def _measure_quota(subject: Subject, refused: int, attempts: int) -> Draft:
    deployment = subject.deployment
    assert deployment is not None
    limited = deployment.rpm is not None or deployment.tpm is not None
    share = Part("refused", refused / attempts, attempts) if attempts else _no_attempts()
    return Draft(
        parts=(Part("limited", int(limited)), share),
        measured_at=subject.now,
        fingerprint=subject.only("L", "M"),
        simulated=subject.simulated,
        explanation=f"{deployment.name}, last {REFUSAL_DAYS} days",
        link=reverse("telemetry:traffic", args=[subject.project.slug]),
    )


def _no_attempts() -> Part:
    return Part("refused", None, 0, note=f"no call in {REFUSAL_DAYS} days")


@produces("operations.monitoring")
def monitoring(subject: Subject) -> Measurement | None:
    """R6: which of the signals that explain one another were recorded in the last day."""
    if subject.deployment is None:
        return None
    signals = recorded_signals(subject.project, subject.now - timedelta(hours=SIGNAL_HOURS))
    present = (signals.attempts > 0, signals.waits, signals.spend_nanos > 0)
    return Measurement(
        method="monitoring/1",
        identity=(subject.deployment.pk, sorted(subject.only("L").items()), present, subject.now.date()),
        measure=partial(_measure_signals, subject, signals),
    )


def _measure_signals(subject: Subject, signals: Signals) -> Draft:
    assert subject.deployment is not None
    try:
        upstream_state(upstream_of(subject.deployment.pk))
    except LimiterUnavailableError as error:
        raise NotNowError(str(error)) from error
    seen = {
        "429s": signals.attempts > 0,
        "queue depth": True,
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

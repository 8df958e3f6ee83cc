"""Step 3: spot-checks of production answers, and what people decided."""

from datetime import datetime, timedelta
from functools import partial

from django.urls import reverse

from readiness.checklist.evidence import Part
from readiness.checklist.measurements import Draft, Measurement
from readiness.checklist.producers import produces
from readiness.checklist.subjects import Subject
from readiness.lib.statistics import Method, estimate_rate
from readiness.quality.queries import Rates, rates
from readiness.reviews.queries import Diligence, StratumDecisions, decisions_by_stratum, diligence

SPOT_CHECK_DAYS = 7


@produces("quality.spot_checks")
def spot_checks(subject: Subject) -> Measurement | None:
    """Q4: factuality and consistency of the last week's sample of answers by what would be shipped."""
    if subject.deployment is None:
        return None
    since = _later(subject.now - timedelta(days=SPOT_CHECK_DAYS), subject.model_since)
    found = rates(subject.project, subject.deployment, subject.prompt_hash, since)
    counts = (found.supported, found.judged, found.consistent, found.compared)
    if not found.judged and not found.compared:
        return None
    return Measurement(
        method="spot-checks/1",
        identity=(subject.target.deployment_id, subject.prompt_hash, subject.now.date(), *counts),
        measure=partial(_measure_spot_checks, subject, found),
    )


def _measure_spot_checks(subject: Subject, found: Rates) -> Draft:
    return Draft(
        parts=(
            _growing_rate("factuality", found.supported, found.judged, "the judge has decided none yet"),
            _growing_rate("consistency", found.consistent, found.compared, "no question was asked again yet"),
        ),
        measured_at=subject.now,
        fingerprint=subject.only("M", "P"),
        simulated=subject.simulated,
        explanation=f"Random sample of the last {SPOT_CHECK_DAYS} days: {_product(subject)}"[:500],
        link=reverse("quality:spot_checks", args=[subject.project.slug]),
    )


@produces("reviews.decisions")
def decisions(subject: Subject) -> Measurement | None:
    """Q8: what people decided about random answers of exactly this release."""
    if subject.deployment is None:
        return None
    # Answers from before the version or the model changed are answers of another release.
    since = _later(subject.target.version_since, subject.model_since)
    what = (subject.project, subject.deployment, subject.prompt_hash)
    strata = decisions_by_stratum(*what, since=since)
    care = diligence(*what, since=since)
    if not any(stratum.decided for stratum in strata):
        return None
    counts = [(stratum.stratum, stratum.approved, stratum.decided) for stratum in strata]
    return Measurement(
        method="reviews/1",
        identity=(
            subject.target.deployment_id,
            subject.prompt_hash,
            counts,
            care.median_seconds,
            care.fastest_per_minute,
        ),
        measure=partial(_measure_decisions, subject, strata, care),
    )


def _measure_decisions(subject: Subject, strata: list[StratumDecisions], care: Diligence) -> Draft:
    approved = sum(stratum.approved for stratum in strata)
    decided = sum(stratum.decided for stratum in strata)
    least = min(strata, key=lambda stratum: stratum.decided)
    return Draft(
        parts=(
            _growing_rate("approved", approved, decided, "nothing was decided yet"),
            Part("coverage", least.decided, note=f"in “{least.stratum}”" if least.stratum else ""),
            Part("dwell", care.median_seconds, care.decisions),
            Part("pace", care.fastest_per_minute, care.decisions),
        ),
        measured_at=subject.now,
        fingerprint=subject.only("M", "P", "V"),
        simulated=subject.simulated,
        explanation=f"Decisions about a random sample: {_product(subject)}"[:500],
        link=reverse("reviews:history", args=[subject.project.slug]),
    )


def _growing_rate(name: str, successes: int, n: int, nothing: str) -> Part:
    """A stream that grows until it passes needs bounds that hold at every look."""
    if not n:
        return Part(name, None, 0, note=nothing)
    return Part.from_estimate(name, estimate_rate(successes, n, method=Method.CONFIDENCE_SEQUENCE))


def _later(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _product(subject: Subject) -> str:
    parts = [subject.deployment, subject.target.prompt_version, subject.target.application_version]
    return ", ".join(str(part) for part in parts if part)

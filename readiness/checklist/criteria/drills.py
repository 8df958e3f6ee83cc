"""Steps 5 and 6: what drills found out about overload, priority, budgets and lost processes.

A drill is held on the site's tiers, or on what its project's overrides make of them, so what it found counts
under L for as long as they are as they were. It asks the simulated AI service, and its evidence is marked so.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.urls import reverse

from readiness.checklist.catalogue.schema import FingerprintKey
from readiness.checklist.evidence import Part
from readiness.checklist.measurements import Draft, Measurement
from readiness.checklist.producers import produces
from readiness.checklist.subjects import Subject
from readiness.lib.scopes import ScopeKind
from readiness.limits.policy import caps_in_force, uncapped_keys
from readiness.operations.drill_queries import Report, is_of_today, keys_since, last_held

KEY_DAYS = 7
"""A key that was not used for longer is taken for one that is gone."""

_KEYS_NAMED = 3
_CAPS = {
    ScopeKind.API_KEY: "API keys",
    ScopeKind.END_USER: "end users",
    ScopeKind.PROJECT: "the project",
    ScopeKind.SITE: "the site",
}


@produces("operations.overload")
def overload(subject: Subject) -> Measurement | None:
    """R3: crashes, waits and refusals under three times the load."""
    report = last_held(subject.project, "overload")
    if report is None:
        return None
    overflowing = round(report.value("overflowing"))
    parts = (
        Part("crashes", report.value("crashes")),
        Part("wait", report.value("wait")),
        Part("overflow", report.value("overflow"), overflowing)
        if overflowing
        else Part("overflow", None, 0, note="everything fitted"),
        _unmet(report, but=() if overflowing else ("overflowing", "overflow")),
    )
    return _measurement(subject, [report], parts, keys=("L", "V"))


@produces("operations.contention")
def contention(subject: Subject) -> Measurement | None:
    """R4: how the heaviest and the lightest tier share what is not enough for both."""
    report = last_held(subject.project, "contention")
    if report is None:
        return None
    parts = (*(Part(name, report.value(name)) for name in ("wait_ratio", "bottom_share")), _unmet(report))
    return _measurement(subject, [report], parts, keys=("L",))


@produces("operations.spend_caps")
def spend_caps(subject: Subject) -> Measurement | None:
    """R7: whether budgets refuse, which budgets are in force, and whether spent credit raises an alert."""
    over_cap, billing = (last_held(subject.project, name) for name in ("over-cap", "billing"))
    if over_cap is None:
        return None
    missing = _uncapped(subject)
    parts = (
        Part("refused", over_cap.value("refused"), round(over_cap.value("over"))),
        Part("caps", len(_CAPS) - len(missing), note=f"none on {', '.join(missing)}" if missing else ""),
        Part("output_cap", over_cap.value("output_cap")),
        Part("alert", None, note="the drill “Out of credit” was not held yet")
        if billing is None
        else Part("alert", float(billing.value("alert") > 0)),
        _unmet(over_cap, billing),
    )
    return _measurement(subject, [report for report in (over_cap, billing) if report], parts, keys=("L",))


def _uncapped(subject: Subject) -> list[str]:
    """What has no budget in money, in words; of API keys those that were used lately."""
    keys = keys_since(subject.project, subject.now - timedelta(days=KEY_DAYS))
    in_force, without = caps_in_force(subject.project, keys), uncapped_keys(keys)
    names = {**_CAPS, ScopeKind.API_KEY: _key_words(without)} if without else _CAPS
    return [name for kind, name in names.items() if kind not in in_force]


def _key_words(keys: Sequence[str]) -> str:
    """``API keys k1, k2, k3 and 9 more``"""
    more = f" and {len(keys) - _KEYS_NAMED} more" if len(keys) > _KEYS_NAMED else ""
    return f"API key{'s' if len(keys) > 1 else ''} {', '.join(keys[:_KEYS_NAMED])}{more}"


@produces("operations.lost_processes")
def lost_processes(subject: Subject) -> Measurement | None:
    """I6: requests that were lost with a worker, or with the provider."""
    worker, provider = (last_held(subject.project, name) for name in ("worker-kill", "outage"))
    if worker is None or provider is None:
        return None
    lost = worker.value("unrecorded") + worker.value("lost") + provider.value("lost")
    return _measurement(subject, [worker, provider], (Part("lost", lost), _unmet(worker, provider)), keys=())


def _unmet(*reports: Report | None, but: Sequence[str] = ()) -> Part:
    """Expectations that the drills missed: a failed one proves nothing. ``but``: keys that are left out."""
    missed = [
        finding.label
        for report in reports
        if report
        for finding in report.expectations
        if not finding.met and finding.key not in but
    ]
    return Part("unmet", len(missed), note="; ".join(missed))


def _measurement(
    subject: Subject, reports: Sequence[Report], parts: tuple[Part, ...], *, keys: tuple[FingerprintKey, ...]
) -> Measurement:
    """``keys``: what the criterion's evidence rests on, of which those are left out that moved since."""
    kept = [key for key in keys if _still_holds(subject, key, reports)]
    fingerprint = subject.only(*kept)
    values = [(part.name, part.value, part.note) for part in parts]
    return Measurement(
        method="drills/1",
        identity=([report.row.pk for report in reports], kept, sorted(fingerprint.items()), values),
        measure=partial(_draft, subject, reports, parts, fingerprint),
    )


def _still_holds(subject: Subject, key: FingerprintKey, reports: Sequence[Report]) -> bool:
    if key == "L":
        return all(is_of_today(report, subject.project) for report in reports)
    since = subject.target.version_since
    return since is None or all(since <= report.row.created_at for report in reports)


def _draft(
    subject: Subject,
    reports: Sequence[Report],
    parts: tuple[Part, ...],
    fingerprint: dict[FingerprintKey, str],
) -> Draft:
    oldest = min(reports, key=lambda report: report.held_at)
    titles = " and ".join(f"“{report.title}”" for report in reports)
    return Draft(
        parts=parts,
        measured_at=oldest.held_at,
        fingerprint=fingerprint,
        simulated=True,
        explanation=f"Held against the simulated AI service: {titles}",
        link=reverse("operations:drill", args=[subject.project.slug, reports[0].row.pk]),
    )

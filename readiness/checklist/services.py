"""Writes: evidence, a person's word, notes, and what the project intends to ship."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from readiness.accounts.models import User
from readiness.accounts.services import record_audit
from readiness.checklist import producers
from readiness.checklist.catalogue import Criterion, current
from readiness.checklist.fingerprints import fingerprint_of
from readiness.checklist.measurements import Draft, Measurement
from readiness.checklist.models import Attestation, Comment, Evidence, Target
from readiness.checklist.queries import may_be_attested, newest_evidence, target_of
from readiness.checklist.subjects import Subject
from readiness.datasets.models import DatasetVersion
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.providers.models import Deployment

ATTESTATION_DAYS = 90
"""How long a person's word counts where the catalogue names no age."""


class NotAttestableError(Exception):
    """The criterion is measured, so a person's word does not count; ``str(error)`` says so."""


@dataclass(frozen=True, kw_only=True)
class TargetDetails:
    """What a project intends to ship; None where nothing is chosen."""

    deployment: Deployment | None = None
    prompt_version: PromptVersion | None = None
    dataset_version: DatasetVersion | None = None
    application_version: str = ""


def gather_evidence(project: Project, now: datetime) -> list[Evidence]:
    """Measures whatever is new and stores it; returns the new rows.

    Cheap when nothing is new: each producer first says what it would measure, in a query or two, and measures
    only what the newest evidence of its criterion is not about.
    """
    subject = Subject(project=project, target=target_of(project), now=now)
    known = {row.criterion: row.digest for row in newest_evidence(project).only("criterion", "digest")}
    stored = []
    for criterion in current().criteria:
        if criterion.producer is None or project.category not in criterion.profiles:
            continue
        measurement = producers.producer(criterion.producer)(subject)
        if measurement is None or measurement.digest == known.get(criterion.id):
            continue
        if row := _store(project, criterion, measurement, measurement.measure()):
            stored.append(row)
    return stored


def _store(project: Project, criterion: Criterion, measurement: Measurement, draft: Draft) -> Evidence | None:
    """Adds a row, unless somebody else measured the same in the meantime."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        newest = Evidence.objects.filter(project=project, criterion=criterion.id).order_by("-id").first()
        if newest is not None and newest.digest == measurement.digest:
            return None
        return Evidence.objects.create(
            project=project,
            criterion=criterion.id,
            parts=[part.as_row() for part in draft.parts],
            method=measurement.method,
            abstained=draft.abstained,
            explanation=draft.explanation,
            fingerprint=draft.fingerprint,
            link=draft.link,
            simulated=draft.simulated,
            digest=measurement.digest,
            measured_at=draft.measured_at,
        )


def attest(*, actor: User, project: Project, criterion: Criterion, note: str, now: datetime) -> Attestation:
    """The actor vouches for the criterion as of what would be shipped now, until the catalogue's age is over.

    Raises NotAttestableError where the criterion is measured.
    """
    if not may_be_attested(criterion):
        raise NotAttestableError(f"{criterion.id} is measured: a person's word does not stand for that.")
    days = criterion.max_age_days or ATTESTATION_DAYS
    fingerprint = fingerprint_of(target_of(project), now.date())
    return Attestation.objects.create(
        project=project,
        criterion=criterion.id,
        note=note,
        by=actor,
        by_label=actor.username,
        expires_at=now + timedelta(days=days),
        fingerprint={key: fingerprint[key] for key in criterion.fingerprint if key in fingerprint},
    )


def withdraw(*, actor: User, attestation: Attestation, now: datetime) -> bool:
    """Takes a word back; it stays in the history. False when it was taken back already."""
    standing = Attestation.objects.filter(pk=attestation.pk, withdrawn_at=None)
    return bool(standing.update(withdrawn_at=now, withdrawn_by_label=actor.username))


def comment(*, actor: User, project: Project, criterion: Criterion, text: str) -> Comment:
    """Adds a note to the criterion's discussion."""
    return Comment.objects.create(
        project=project, criterion=criterion.id, author=actor, author_label=actor.username, text=text
    )


def set_target(*, actor: User, project: Project, details: TargetDetails, now: datetime) -> Target:
    """Says what the project intends to ship; audited. Writes nothing when nothing differs."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        target = target_of(project)
        changes = _apply(target, details)
        if not changes:
            return target
        if "application version" in changes:
            target.version_since = now
        target.save()
        record_audit(
            actor=actor,
            action="target changed",
            object_type="target",
            object_id=target.pk,
            object_label=project.name,
            project_slug=project.slug,
            changes=changes,
        )
    return target


def _apply(target: Target, details: TargetDetails) -> dict[str, tuple[object, object]]:
    """Sets what differs and returns it as the audit log shows it: field to (before, after)."""
    changes: dict[str, tuple[object, object]] = {}
    for name in ("deployment", "prompt_version", "dataset_version", "application_version"):
        before, after = getattr(target, name), getattr(details, name)
        if before != after:
            changes[name.replace("_", " ")] = (_shown(before), _shown(after))
            setattr(target, name, after)
    return changes


def _shown(value: object) -> str:
    return "" if value is None else str(value)

"""Which finished run is evidence, and what was measured on it."""

from collections.abc import Callable, Mapping

from django.urls import reverse

from readiness.checklist.catalogue.schema import FingerprintKey
from readiness.checklist.evidence import Part
from readiness.checklist.measurements import Draft
from readiness.checklist.subjects import Subject
from readiness.evaluations.models import Run


def newest_run(subject: Subject, *wanted: Callable[[Run], bool]) -> Run | None:
    """The newest finished run of the target's deployment, preferring those that meet the first of ``wanted``,
    then the second, and so on.

    A run on another prompt or dataset is still taken where there is no better one: its evidence is stale, but
    it says what moved.
    """
    return max(
        subject.runs, key=lambda run: (tuple(meets(run) for meets in wanted), run.finished_at), default=None
    )


def on_prompt(subject: Subject) -> Callable[[Run], bool]:
    return lambda run: run.prompt_version_id == subject.target.prompt_version_id


def on_dataset(subject: Subject) -> Callable[[Run], bool]:
    return lambda run: run.dataset_version_id == subject.target.dataset_version_id


def has_rivals(run: Run) -> bool:
    return len(run.deployments.all()) > 1


def draft_of_run(
    subject: Subject,
    run: Run,
    parts: tuple[Part, ...],
    *,
    fingerprint: Mapping[FingerprintKey, str] | None = None,
    abstained: str = "",
) -> Draft:
    """A run as evidence. ``fingerprint`` adds keys that the run itself does not know; ``abstained`` says why
    it could not be scored."""
    return Draft(
        parts=parts,
        measured_at=run.finished_at or subject.now,
        fingerprint={**_fingerprint(subject, run), **(fingerprint or {})},
        simulated=subject.simulated,
        abstained=bool(abstained),
        explanation=(abstained or _words(subject, run))[:500],
        link=reverse("benchmarks:run", args=[subject.project.slug, run.pk]),
    )


def _fingerprint(subject: Subject, run: Run) -> dict[FingerprintKey, str]:
    """M, P and D of a run. M is left out when the model was changed after the run began."""
    fingerprint: dict[FingerprintKey, str] = {"D": run.dataset_version.sha256}
    if run.prompt_version is not None:
        fingerprint["P"] = run.prompt_version.content_hash
    if subject.model_since is None or subject.model_since < (run.started_at or run.created_at):
        fingerprint |= subject.only("M")
    return fingerprint


def _words(subject: Subject, run: Run) -> str:
    """``Baseline: sim-medium, Answer v2, Handbook v1``"""
    parts = [subject.deployment, run.prompt_version, run.dataset_version]
    return f"{run.name}: {', '.join(str(part) for part in parts if part is not None)}"

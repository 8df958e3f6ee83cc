"""Writes of production answers."""

from collections.abc import Sequence
from datetime import datetime

from readiness.inference.dispatch import Result
from readiness.inference.models import LoggedAnswer


def log_answer(
    *,
    result: Result,
    project_id: int,
    deployment_id: int,
    at: datetime,
    question: str,
    source: str = "",
    stratum: str = "",
    prompt_hash: str = "",
    prompt_version_id: int | None = None,
) -> LoggedAnswer:
    """Keeps one production answer for spot-checks; a second call for the same request changes nothing."""
    answer, _ = LoggedAnswer.objects.get_or_create(
        request_id=result.request_id,
        defaults={
            "project_id": project_id,
            "deployment_id": deployment_id,
            "at": at,
            "question": question,
            "source": source,
            "stratum": stratum,
            "output": result.text,
            "prompt_hash": prompt_hash,
            "prompt_version_id": prompt_version_id,
            "simulated": result.simulated,
        },
    )
    return answer


def log_answers(answers: Sequence[LoggedAnswer]) -> int:
    """Keeps unsaved answers in bulk; those whose request is known already stay as they are.

    Returns how many were given, known ones included.
    """
    LoggedAnswer.objects.bulk_create(answers, ignore_conflicts=True, batch_size=500)
    return len(answers)


def delete_answers_before(*, moment: datetime, batch: int = 1_000) -> int:
    """Deletes old answers in bounded batches, so that nobody is locked out for long; returns how many."""
    deleted = 0
    while ids := list(LoggedAnswer.objects.filter(at__lt=moment).values_list("pk", flat=True)[:batch]):
        LoggedAnswer.objects.filter(pk__in=ids).delete()
        deleted += len(ids)
    return deleted

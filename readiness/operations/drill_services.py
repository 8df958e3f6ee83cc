"""Writes of drills: start, hold, end."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from readiness.accounts.models import User
from readiness.limits.private_redis import NoPrivateRedisError
from readiness.operations.drill_queries import tiers_now
from readiness.operations.drills.arena import DrillBrokenError, hold
from readiness.operations.drills.base import DrillRefusedError
from readiness.operations.drills.findings import Moment
from readiness.operations.drills.simulated import NotSimulatedError
from readiness.operations.models import DrillReport, DrillState
from readiness.projects.models import Project

KEPT = 30
"""Newest reports of each drill that are kept, of each project and of the whole site."""

_LOST = "The process that held it ended without a word, for example because the worker was restarted."
_NEVER_TAKEN = "No worker took it in time, for example because Redis was emptied. Start it again."


class AnotherDrillError(Exception):
    """One drill at a time: a second one would be measured on what the first leaves of the machine."""

    def __init__(self) -> None:
        super().__init__("Another drill is under way. Start this one when it has ended, or cancel that one.")


class _StoppedError(Exception):
    """The drill was cancelled or deleted while it was held."""


def start_drill(
    *, name: str, project: Project | None, actor: User | None, now: datetime, quick: bool = False
) -> DrillReport:
    """Adds a drill that waits to be held; of its name and project the oldest beyond ``KEPT`` go.

    Raises ``AnotherDrillError``.
    """
    with transaction.atomic():
        _fail_lost(now)
        try:
            with transaction.atomic():
                report = DrillReport.objects.create(
                    name=name, project=project, created_by=actor, created_at=now, quick=quick
                )
        except IntegrityError:
            raise AnotherDrillError from None
        _prune(name, project)
    return report


def _fail_lost(now: datetime) -> None:
    # Locked, so that its process cannot begin it or say a word between the question and the end.
    report = DrillReport.objects.select_for_update().filter(active=True).first()
    if report and report.is_lost(now):
        trouble = _NEVER_TAKEN if report.state == DrillState.QUEUED else _LOST
        fail_drill(report_id=report.pk, trouble=trouble, now=now)


def _prune(name: str, project: Project | None) -> None:
    same = DrillReport.objects.filter(name=name, project=project)
    newest = same.values_list("pk", flat=True)[:KEPT]
    # However many were cancelled, failed or rehearsed since, the checklist still rests on this one.
    evidence = same.filter(state=DrillState.DONE, quick=False).values_list("pk", flat=True)[:1]
    same.exclude(pk__in=[*newest, *evidence]).delete()


def cancel_drill(*, report_id: int, now: datetime) -> bool:
    """Ends a drill that waits or is held, which is noticed within a second. False when it was over."""
    return _end(report_id, DrillState.CANCELLED, finished_at=now)


def fail_drill(*, report_id: int, trouble: str, now: datetime) -> bool:
    """Ends a drill with plain words on why. False when it was over."""
    return _end(report_id, DrillState.FAILED, trouble=trouble, finished_at=now)


def _end(report_id: int, state: DrillState, **values: Any) -> bool:
    active = DrillReport.objects.filter(pk=report_id, active=True)
    return bool(active.update(state=state, active=None, **values))


def hold_drill(*, report_id: int) -> None:
    """Holds the drill and keeps what came of it. Does nothing for one that is not waiting."""
    waiting, now = DrillReport.objects.filter(pk=report_id, state=DrillState.QUEUED), timezone.now()
    report = waiting.select_related("project").first()
    if report is None:
        return
    tiers = tiers_now(report.project)
    if not waiting.update(state=DrillState.RUNNING, started_at=now, beat_at=now, tiers=tiers):
        return
    try:
        _hold(report, tiers)
    except _StoppedError:
        return
    except (DrillRefusedError, DrillBrokenError, NotSimulatedError, NoPrivateRedisError) as error:
        fail_drill(report_id=report_id, trouble=str(error), now=timezone.now())


def _hold(report: DrillReport, tiers: list[Mapping[str, Any]]) -> None:
    seen: list[dict[str, Any]] = []

    def beat() -> None:
        running = DrillReport.objects.filter(pk=report.pk, state=DrillState.RUNNING)
        if not running.update(beat_at=timezone.now(), moments=seen):
            raise _StoppedError

    def tell(moment: Moment) -> None:
        seen.append(moment.to_row())

    outcome = hold(report.name, tiers=tiers, quick=report.quick, tell=tell, beat=beat)
    _end(
        report.pk,
        DrillState.DONE,
        finished_at=timezone.now(),
        moments=[moment.to_row() for moment in outcome.moments],
        findings=[finding.to_row() for finding in outcome.findings],
    )

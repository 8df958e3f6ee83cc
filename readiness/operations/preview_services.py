"""Writes of previews: start, replay, end, and put into force what was previewed."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from readiness.accounts.models import User
from readiness.limits.private_redis import NoPrivateRedisError, PrivateRedis, private_redis
from readiness.limits.replay import World, replay
from readiness.limits.replay_figures import Figures, figures_of
from readiness.operations.models import Preview, PreviewSource, PreviewState
from readiness.operations.preview_demand import Demanded, NoDemandError, recorded_demand, traced_demand
from readiness.operations.preview_results import Result
from readiness.operations.preview_subjects import Subject, policies
from readiness.operations.preview_traces import Trace
from readiness.projects.models import Project, Tier
from readiness.telemetry.queries import spent_nanos

KEPT = 50
"""Newest previews that are kept."""

_GONE = (Tier.DoesNotExist, Project.DoesNotExist)
_ACTIVE = (PreviewState.QUEUED, PreviewState.RUNNING)
_LOST = "Its worker ended without a word, for example because it was restarted. Preview again."
_NEVER_TAKEN = "No worker took it in time, for example because Redis was emptied. Preview again."


class ChangedMeanwhileError(Exception):
    """What was previewed is not what would be changed now."""

    def __init__(self) -> None:
        super().__init__(
            "Somebody changed this since the preview was made, so it was not saved. Make a new preview."
        )


class _StoppedError(Exception):
    """The preview was cancelled or deleted while it ran."""


def start_preview(
    *,
    actor: User,
    subject: Subject,
    values: Mapping[str, Any],
    now: datetime,
    trace: Trace | None = None,
    trace_label: str = "",
) -> Preview:
    """Adds a preview that waits for a worker; lost ones fail, and the oldest beyond ``KEPT`` go."""
    _fail_lost(now)
    preview = Preview.objects.create(
        created_at=now,
        created_by=actor,
        subject=subject.to_json(),
        label=str(subject.row()),
        before=subject.current(),
        after=dict(values),
        source=PreviewSource.TRACE if trace else PreviewSource.RECORDS,
        trace=trace.to_json() if trace else None,
        trace_label=trace_label,
    )
    kept = Preview.objects.values_list("pk", flat=True)[:KEPT]
    Preview.objects.exclude(pk__in=list(kept)).delete()
    return preview


@transaction.atomic
def _fail_lost(now: datetime) -> None:
    # Locked, so that its worker cannot begin it or say a word between the question and the end.
    for preview in Preview.objects.select_for_update().filter(state__in=_ACTIVE).defer("trace"):
        if preview.is_lost(now):
            trouble = _NEVER_TAKEN if preview.state == PreviewState.QUEUED else _LOST
            fail_preview(preview_id=preview.pk, trouble=trouble, now=now)


def cancel_preview(*, preview_id: int, now: datetime) -> bool:
    """Ends a preview that waits or runs; its worker notices within a second. False when it was over."""
    return _end(preview_id, PreviewState.CANCELLED, finished_at=now)


def fail_preview(*, preview_id: int, trouble: str, now: datetime) -> bool:
    """Ends a preview with plain words on why. False when it was over."""
    return _end(preview_id, PreviewState.FAILED, trouble=trouble, finished_at=now)


def _end(preview_id: int, state: PreviewState, **values: Any) -> bool:
    active = Preview.objects.filter(pk=preview_id, state__in=_ACTIVE)
    return bool(active.update(state=state, trace=None, **values))


def run_preview(*, preview_id: int) -> None:
    """Replays the demand twice and keeps what came of it. Does nothing for a preview that is not waiting."""
    waiting = Preview.objects.filter(pk=preview_id, state=PreviewState.QUEUED)
    if not waiting.update(state=PreviewState.RUNNING, beat_at=timezone.now()):
        return
    preview = Preview.objects.get(pk=preview_id)
    try:
        result = _replay_both(preview)
    except _StoppedError:
        return
    except (NoDemandError, NoPrivateRedisError) as error:
        fail_preview(preview_id=preview_id, trouble=str(error), now=timezone.now())
    except _GONE:
        trouble = "What was to be changed was deleted meanwhile."
        fail_preview(preview_id=preview_id, trouble=trouble, now=timezone.now())
    else:
        _end(
            preview_id,
            PreviewState.DONE,
            done=F("total"),
            result=result.to_json(),
            finished_at=timezone.now(),
        )


def _replay_both(preview: Preview) -> Result:
    began = time.monotonic()
    subject = Subject.from_json(preview.subject)
    demanded = _demanded(preview, subject)
    before, after = policies(subject, subject.read(preview.after))
    count = len(demanded.requests)
    Preview.objects.filter(pk=preview.pk).update(total=2 * count)
    with private_redis() as redis:
        first = _replay(redis, preview, demanded, before, already=0)
        second = _replay(redis, preview, demanded, after, already=count)
    return Result(
        before=first,
        after=second,
        requests=count,
        first_ms=min(request.at_ms for request in demanded.requests),
        last_ms=max(request.at_ms for request in demanded.requests),
        left_out=demanded.left_out,
        estimated=demanded.estimated,
        seconds=round(time.monotonic() - began, 1),
    )


def _demanded(preview: Preview, subject: Subject) -> Demanded:
    if preview.source == PreviewSource.TRACE:
        return traced_demand(Trace.from_json(preview.trace or {}), subject, preview.created_at)
    return recorded_demand(subject, preview.created_at)


def _replay(
    redis: PrivateRedis, preview: Preview, demanded: Demanded, policy: Mapping[str, Any], *, already: int
) -> Figures:
    def tell(done: int) -> None:
        running = Preview.objects.filter(pk=preview.pk, state=PreviewState.RUNNING)
        if not running.update(done=already + done, beat_at=timezone.now()):
            raise _StoppedError

    world = World(
        policy=policy,
        upstreams=demanded.upstreams,
        zone=ZoneInfo(settings.BUDGET_TIME_ZONE),
        spending=spent_nanos,
    )
    return figures_of(replay(redis, demanded.requests, world, tell), world)


def save_preview(*, actor: User, preview: Preview) -> None:
    """Puts into force what was previewed, if nothing else was saved meanwhile.

    Raises ``ChangedMeanwhileError``, and as the services of ``limits`` do.
    """
    subject = Subject.from_json(preview.subject)
    try:
        with transaction.atomic():
            if subject.current(locked=True) != subject.read(preview.before):
                raise ChangedMeanwhileError
            subject.save(actor=actor, values=subject.read(preview.after))
    except _GONE:
        raise ChangedMeanwhileError from None

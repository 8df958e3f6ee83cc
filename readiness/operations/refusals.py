"""Why requests were refused: which limit, whose, and when they would fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from readiness.lib.events import Outcome
from readiness.lib.formats import format_seconds
from readiness.lib.scopes import Scope, ScopeKind
from readiness.operations.words import LIMITS
from readiness.projects.models import Project
from readiness.telemetry.models import RequestRecord

LOOKED_BACK: Final = timedelta(hours=24)
MOST_READ: Final = 500
"""Refusals that are read and sorted by cause; the newest ones."""
MOST_CAUSES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Refusals of one kind. The times are of the last of them."""

    at: datetime
    count: int
    deployment: str
    tier: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    total: int
    """Within the time that is looked back."""
    read: int
    """The newest of them, which the causes are about."""
    causes: Sequence[Cause]
    """The newest first."""
    simulated: bool
    """Whether any of them comes from the simulated AI service."""

    @property
    def more(self) -> int:
        """Of those that were read, the ones whose cause is not shown."""
        return self.read - sum(cause.count for cause in self.causes)


def refusals(project: Project, tiers: Mapping[str, str], now: datetime) -> Refusals:
    """The project's refusals, by cause. ``tiers``: name by slug. Two queries."""
    rows = refusals_since(project, now - LOOKED_BACK)
    newest = rows.select_related("deployment")[:MOST_READ]
    found: dict[tuple[object, ...], list[RequestRecord]] = {}
    for row in newest:
        cause = (row.error_class, row.refused_by, row.deployment_id, row.tier)
        found.setdefault(cause, []).append(row)
    read = sum(map(len, found.values()))
    return Refusals(
        total=rows.count() if read == MOST_READ else read,
        read=read,
        causes=[_cause(same, project.pk, tiers, now) for same in list(found.values())[:MOST_CAUSES]],
        simulated=any(row.simulated for same in found.values() for row in same),
    )


def refusals_since(project: Project, since: datetime) -> QuerySet[RequestRecord]:
    """Requests of the project that our limits turned away, the newest first."""
    # The condition of the index ``record_refused``; SQLite sees that only where it is written the same way.
    turned_away = Q(outcome=Outcome.REFUSED) | Q(outcome=Outcome.EXPIRED)
    return RequestRecord.objects.filter(turned_away, project=project, at__gte=since).order_by("-at")


def _cause(same: Sequence[RequestRecord], project_id: int, tiers: Mapping[str, str], now: datetime) -> Cause:
    last = same[0]
    return Cause(
        at=last.at,
        count=len(same),
        deployment=last.deployment.name if last.deployment else "Deleted deployment",
        tier=tiers.get(last.tier, last.tier),
        sentence=explain_refusal(
            last.error_class,
            last.refused_by,
            retry_after_s=last.retry_after_ms / 1000,
            ago_s=(now - last.at).total_seconds(),
            project_id=project_id,
            tiers=tiers,
        ),
    )


def explain_refusal(
    reason: str,
    limit: str,
    *,
    retry_after_s: float,
    ago_s: float,
    project_id: int,
    tiers: Mapping[str, str],
) -> str:
    """Which limit said no, whose it is, and when the request would fit, for members of the project.

    ``reason`` is a key of ``limits.tickets.REFUSALS``, ``limit`` what ``RefusedError.limit`` says. ``ago_s``:
    how long ago it was. ``tiers``: name by slug.
    """
    why = _why(reason, _Limit.read(limit, project_id, tiers))
    return f"{why[0].upper()}{why[1:]}. {_when(reason, retry_after_s, ago_s)}"


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit in words: ``whose`` and ``what``; empty where it is not one of ours."""

    whose: str = ""
    what: str = ""
    by: str = ""
    """What else held the request back: ``provider``, ``account``, ``head start``."""

    @classmethod
    def read(cls, text: str, project_id: int, tiers: Mapping[str, str]) -> "_Limit":
        name, _, what = text.rpartition(" ")
        if text == "head start" or not name:
            return cls(by=text)
        if name in ("provider", "account"):
            return cls(what=LIMITS.get(what, what), by=name)
        try:
            scope = Scope.parse(name)
        except ValueError:
            return cls(by=text)
        return cls(whose=_whose(scope, project_id, tiers), what=LIMITS.get(what, what))

    def __str__(self) -> str:
        return f"the {self.what} of {self.whose}" if self.whose else "a limit that is set here"


def _whose(scope: Scope, project_id: int, tiers: Mapping[str, str]) -> str:
    project = "this project" if scope.project_id == project_id else "another project"
    match scope.kind:
        case ScopeKind.SITE:
            return "the whole site"
        case ScopeKind.PROJECT:
            return project
        case ScopeKind.API_KEY:
            return f"API key {scope.api_key}"
        case ScopeKind.END_USER:
            return f"end user {scope.end_user}"
    tier = f"tier {tiers.get(scope.tier, scope.tier)}"
    if scope.end_user:
        return f"end user {scope.end_user} in {tier}"
    return f"{project} in {tier}" if scope.project_id else tier


def _why(reason: str, limit: _Limit) -> str:
    match reason:
        case "too_large":
            return f"it asked for more than the provider's whole limit of {limit.what or 'tokens'}"
        case "too_large_for_tier" | "too_large_for_cap":
            return f"it asked for more than {limit} could ever cover"
        case "over_cap" | "budget_exceeded":
            return f"{limit} had been used up"
        case "would_time_out":
            return f"it would have waited for longer than it may, for {_awaited(limit)}"
        case "timed_out":
            return f"it waited for as long as it may, {_held_back(limit)}"
    return _OTHERS.get(reason, "a limit that is set here said no")


_OTHERS: Final = {
    "abandoned": "the process that waited for it stopped answering",
    "queue_full": "too many requests waited for this deployment already",
    "recorder_behind": "usage records were not written fast enough, so nothing new was let in",
    "out_of_credit": "the provider said that the account is out of credit",
}


def _awaited(limit: _Limit) -> str:
    if limit.whose:
        return str(limit)
    if limit.by == "account":
        return f"the {limit.what} of the provider's whole account"
    if limit.what == "pause":
        return "the end of a pause that the provider's answers caused"
    return f"the provider's {limit.what}" if limit.what else "its turn"


def _held_back(limit: _Limit) -> str:
    if limit.whose:
        return f"held back by {limit}"
    if limit.by == "head start":
        return "while room was kept for tiers of more weight"
    return "and the provider's quota was not free for it in time"


_ADVICE: Final = {
    "too_large": "It never fits: ask for fewer output tokens, or shorten it.",
    "too_large_for_tier": "It never fits: ask for fewer output tokens, or have the limit raised.",
    "too_large_for_cap": "It never fits: ask for fewer output tokens, or have the limit raised.",
    "out_of_credit": "It fits once the provider is paid and an admin has resumed the deployment.",
    "abandoned": "It may be sent again at once.",
}


def _when(reason: str, retry_after_s: float, ago_s: float) -> str:
    if reason == "too_large" and retry_after_s:
        return (
            "So the provider's answers said: ask for fewer output tokens, or shorten it. Whether a request "
            f"as large goes through was to be tried {_duration(retry_after_s)} later."
        )
    if reason in _ADVICE:
        return _ADVICE[reason]
    if not retry_after_s:
        return "It may be sent again."
    left = retry_after_s - ago_s
    if left > 0:
        return f"It fits again in {_duration(left)}, unless the limit is changed before."
    return f"It would have fitted {_duration(retry_after_s)} later."


def _duration(seconds: float) -> str:
    return format_seconds(max(1.0, seconds))

"""What pages, the command and criteria ask about drills."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet

from readiness.operations.drills.base import Drill
from readiness.operations.drills.catalogue import DRILLS
from readiness.operations.drills.findings import Finding, Moment
from readiness.operations.models import DrillReport, DrillState
from readiness.projects.models import OVERRIDABLE, Project, Tier, TierOverride
from readiness.telemetry.models import RequestRecord


class Report:
    """A stored report, read."""

    def __init__(self, row: DrillReport) -> None:
        self.row = row

    @property
    def drill(self) -> type[Drill] | None:
        """None for a drill that this version does not know any more."""
        return DRILLS.get(self.row.name)

    @property
    def title(self) -> str:
        return self.drill.title if self.drill else self.row.name

    @cached_property
    def findings(self) -> Sequence[Finding]:
        return [Finding.from_row(found) for found in self.row.findings]

    @cached_property
    def moments(self) -> Sequence[Moment]:
        return [Moment.from_row(moment) for moment in self.row.moments]

    @property
    def expectations(self) -> Sequence[Finding]:
        """Figures that must keep a threshold."""
        return [finding for finding in self.findings if finding.met is not None]

    @property
    def figures(self) -> Sequence[Finding]:
        """Figures that nothing is expected of."""
        return [finding for finding in self.findings if finding.met is None]

    @property
    def passed(self) -> bool | None:
        """None while nothing came of it."""
        if self.row.state != DrillState.DONE:
            return None
        return all(finding.met for finding in self.expectations)

    @property
    def held_at(self) -> datetime:
        """When it ended; for one that has not, when it was asked for."""
        return self.row.finished_at or self.row.created_at

    @property
    def seconds(self) -> float | None:
        """How long it took; None until it ends, and for one that never began."""
        began, ended = self.row.started_at, self.row.finished_at
        return (ended - began).total_seconds() if began and ended else None

    def value(self, key: str) -> float:
        """A figure by its stable name. Raises KeyError for one that the report does not have."""
        return {finding.key: finding.value for finding in self.findings}[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRow:
    """One drill of the catalogue, and how it went last."""

    drill: type[Drill]
    last: Report | None


def reports_of(project: Project) -> QuerySet[DrillReport]:
    """The project's drills and those of the whole site, newest first."""
    return DrillReport.objects.filter(Q(project=project) | Q(project=None)).select_related("created_by")


def active_drill(now: datetime) -> DrillReport | None:
    """The one that waits or is held, wherever on the site it was started.

    None for one that is lost: it keeps nobody from starting the next, which ends it.
    """
    report = DrillReport.objects.filter(active=True).select_related("project", "created_by").first()
    return None if report and report.is_lost(now) else report


def drill_rows(project: Project) -> list[DrillRow]:
    """Every drill of the catalogue with its newest report that is over."""
    newest: dict[str, Report] = {}
    over = reports_of(project).filter(active=None).exclude(state=DrillState.CANCELLED)
    for name in DRILLS:
        if row := over.filter(name=name).first():
            newest[name] = Report(row)
    return [DrillRow(drill=drill, last=newest.get(name)) for name, drill in DRILLS.items()]


def last_held(project: Project, name: str) -> Report | None:
    """The newest drill of this name that was held to its end, rehearsals left out: evidence."""
    row = reports_of(project).filter(name=name, state=DrillState.DONE, quick=False).first()
    return Report(row) if row else None


def keys_since(project: Project, since: datetime) -> list[str]:
    """Ids of the API keys that the project was called with: the drill of budgets knows none of them."""
    called = RequestRecord.objects.filter(~Q(api_key=""), project=project, at__gte=since)
    return list(called.order_by("api_key").values_list("api_key", flat=True).distinct())


def tiers_now(project: Project | None = None) -> list[Mapping[str, Any]]:
    """The tiers as reports store them: plain columns by name, the heaviest first.

    For a project as they are for it: where an override of it says otherwise, that counts. Overrides for
    single end users are left out, because a drill calls for none.
    """
    own = TierOverride.objects.filter(project=project, end_user="") if project else ()
    overrides = {override.tier_id: override for override in own}
    columns = [_columns(tier, overrides.get(tier.pk)) for tier in Tier.objects.order_by("slug")]
    columns.sort(key=lambda tier: -tier["weight"])
    stored: list[Mapping[str, Any]] = json.loads(json.dumps(columns, cls=DjangoJSONEncoder))
    return stored


def _columns(tier: Tier, override: TierOverride | None) -> dict[str, Any]:
    own = {name: getattr(override, name, None) for name in OVERRIDABLE}
    inherited = {name: getattr(tier, name) for name in OVERRIDABLE}
    return {"slug": tier.slug, "name": tier.name, **inherited} | {
        name: value for name, value in own.items() if value is not None
    }


def is_of_today(report: Report, project: Project | None = None) -> bool:
    """Whether the tiers still share as they did when the drill was held; their names do not matter.

    For ``project``, which one that was held for the whole site knew nothing of; else for its own.
    """
    tiers = tiers_now(project or report.row.project)
    return _without_names(report.row.tiers) == _without_names(tiers)


def _without_names(tiers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in tier.items() if name != "name"} for tier in tiers]

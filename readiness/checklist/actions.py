"""What to do next: the criteria that are not met, the cheapest way to green first."""

import math
from dataclasses import dataclass
from datetime import timedelta

from readiness.checklist.catalogue import Criterion
from readiness.checklist.links import page_path
from readiness.checklist.queries import Checklist, CriterionView
from readiness.checklist.statuses import Status
from readiness.evaluations.models import Run
from readiness.lib.formats import SPACE, format_seconds
from readiness.lib.money import format_usd
from readiness.projects.models import Project

_HEADINGS = {
    Status.FAIL: "Improve: {}",
    Status.ABSTAIN: "Make scorable: {}",
    Status.UNDECIDED: "Prove: {}",
    Status.STALE: "Measure again: {}",
    Status.UNKNOWN: "Measure: {}",
}
_NEEDS_A_RUN = "benchmarks:new"
_NEEDS_A_DRILL = "operations:drills"
_COUNTED = {"reviews:queue": "decisions", "quality:spot_checks": "checks"}
"""What a page gathers one by one."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing to do, with the page where it is done."""

    view: CriterionView
    href: str
    """Empty where this version has no page for it."""
    effort: str
    """What it will cost, estimated from the last run of the same kind; or what kind of work it is."""

    @property
    def heading(self) -> str:
        if self.view.criterion.kind == "attested":
            return f"Complete: {self.view.criterion.short}"
        return _HEADINGS[self.view.judgement.status].format(self.view.criterion.short)

    @property
    def text(self) -> str:
        """Why, and for a failure also what helps."""
        reason, fix = self.view.judgement.reason, self.view.criterion.fix.text
        return f"{reason} {fix}" if self.view.judgement.status is Status.FAIL else reason


def fix_path(project: Project, criterion: Criterion) -> str:
    """The page on which the criterion can be turned; empty where this version has none."""
    return page_path(criterion.fix.action, project.slug) if criterion.fix.action else ""


def next_best_actions(checklist: Checklist, last_run: Run | None) -> list[Action]:
    """What holds the gate shut first, then what will; in each, what a run or a look decides before what needs
    a change of the product, and the cheaper before the dearer."""
    open_views = [view for view in checklist.views.values() if not view.judgement.status.lets_through]
    ranked = sorted(open_views, key=lambda view: _rank(view, last_run))
    return [
        Action(
            view=view,
            href=fix_path(checklist.project, view.criterion),
            effort=_effort(view, last_run),
        )
        for view in ranked
    ]


def _rank(view: CriterionView, last_run: Run | None) -> tuple[bool, bool, float]:
    needs_a_change = view.judgement.status is Status.FAIL and view.criterion.kind != "attested"
    return not view.in_force, needs_a_change, _nanos(view.criterion, last_run)


def _nanos(criterion: Criterion, last_run: Run | None) -> float:
    """Estimated nano-dollars; nothing for a form or a decision, unknown is dearest."""
    if criterion.fix.action != _NEEDS_A_RUN:
        return 0
    return math.inf if last_run is None else last_run.spent_nanos


def _effort(view: CriterionView, last_run: Run | None) -> str:
    if view.criterion.kind == "attested":
        return "A form"
    action = view.criterion.fix.action or ""
    if action in _COUNTED:
        more = _most_missing(view)
        return f"{more:,} more {_COUNTED[action]}" if more else _COUNTED[action].capitalize()
    if action != _NEEDS_A_RUN:
        if view.judgement.status is Status.FAIL:
            return "A change"
        return "A drill" if action == _NEEDS_A_DRILL else "Some traffic"
    return _like_last(last_run)


def _most_missing(view: CriterionView) -> int | None:
    """Samples that the part furthest from a verdict still needs; None where that cannot be planned."""
    return max((part.more for part in view.judgement.parts if part.more is not None), default=None)


def _like_last(run: Run | None) -> str:
    """``≈ $4.20 · 9 min``, as the last run on this model took."""
    if run is None or run.finished_at is None:
        return "A run"
    took = (run.finished_at - (run.started_at or run.created_at)) / timedelta(seconds=1)
    return f"≈{SPACE}{format_usd(run.spent_nanos)} · {format_seconds(took)}"

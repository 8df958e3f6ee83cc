"""A preview's figures side by side, before and after, as the page shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from readiness.lib.formats import format_milliseconds
from readiness.lib.money import format_usd
from readiness.lib.scopes import Scope, ScopeKind
from readiness.limits.replay_figures import Figures, GroupFigures, QuotaUse
from readiness.limits.tickets import REFUSALS
from readiness.operations.preview_results import Result
from readiness.operations.words import LIMITS, UNITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How tiers, projects and deployments are called."""

    tiers: Mapping[str, str]
    """By slug."""
    projects: Mapping[int, str]
    deployments: Mapping[str, str]
    """By upstream."""

    def group(self, name: str) -> str:
        """A tier, or what is looked at apart from it."""
        if name in self.tiers:
            return self.tiers[name]
        slug, _, apart = name.partition(" (")
        if slug in self.tiers and apart:
            return f"{self.tiers[slug]} ({apart}"
        return name or "no tier"

    def limit(self, limit: str) -> str:
        """``project:12 day`` as “Handbook: day's budget”; empty for what names no limit."""
        whose, _, unit = limit.rpartition(" ")
        if unit not in LIMITS:
            return ""
        return f"{self._whose(whose)}: {LIMITS[unit]}"

    def _whose(self, text: str) -> str:
        try:
            scope = Scope.parse(text)
        except ValueError:
            return text  # “provider”
        project = self.projects.get(scope.project_id, f"project {scope.project_id}")
        match scope.kind:
            case ScopeKind.SITE:
                return "the whole site"
            case ScopeKind.PROJECT:
                return project
            case ScopeKind.API_KEY:
                return f"API key {scope.api_key}"
            case ScopeKind.END_USER:
                return f"“{scope.end_user}” of {project}"
        of = f" for {project}" if scope.project_id else ""
        whom = f", “{scope.end_user}”" if scope.end_user else ""
        return f"{self.tiers.get(scope.tier, scope.tier)}{of}{whom}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row of a table, before and after; None where there is nothing on that side."""

    name: str
    before: Any
    after: Any
    note: str = ""


def group_pairs(result: Result, names: Names) -> list[Pair]:
    """A row for each tier with its ``GroupFigures``, in the order of the tiers."""
    before, after = _by_name(result.before), _by_name(result.after)
    order = {slug: place for place, slug in enumerate(names.tiers)}
    found = sorted(
        before.keys() | after.keys(), key=lambda name: (order.get(name.partition(" (")[0], len(order)), name)
    )
    return [Pair(name=names.group(name), before=before.get(name), after=after.get(name)) for name in found]


def _by_name(figures: Figures) -> Mapping[str, GroupFigures]:
    return {group.name: group for group in figures.groups}


def sentences(pairs: Sequence[Pair]) -> list[str]:
    """What the change would have done to each tier of ``group_pairs`` that it touches, in words."""
    return [sentence for pair in pairs if pair.before and pair.after and (sentence := _sentence(pair))]


def _sentence(pair: Pair) -> str:
    """Empty where nothing differs."""
    before: GroupFigures = pair.before
    after: GroupFigures = pair.after
    parts = []
    if before.p99_ms != after.p99_ms:
        parts.append(f"p99 wait {_milliseconds(before.p99_ms)} → {_milliseconds(after.p99_ms)}")
    turned_away = (before.refused + before.expired, after.refused + after.expired)
    if turned_away[0] != turned_away[1]:
        parts.append(f"turned away {turned_away[0]:,} → {turned_away[1]:,}")
    if before.nanos != after.nanos:
        parts.append(f"money {format_usd(before.nanos)} → {format_usd(after.nanos)}")
    return f"{pair.name}: {', '.join(parts)}" if parts else ""


def _milliseconds(wait: int | None) -> str:
    return "none" if wait is None else format_milliseconds(wait)


def refusal_pairs(result: Result, names: Names) -> list[Pair]:
    """A row for each tier and reason with its counts, the most frequent first."""
    sides = [
        {(one.group, one.reason, one.limit): one.count for one in figures.refusals}
        for figures in (result.before, result.after)
    ]
    before, after = sides
    keys = sorted(before.keys() | after.keys(), key=lambda key: -max(before.get(key, 0), after.get(key, 0)))
    return [
        Pair(
            name=names.group(group),
            note=" ".join(filter(None, (REFUSALS.get(reason, reason), names.limit(limit)))),
            before=before.get((group, reason, limit), 0),
            after=after.get((group, reason, limit), 0),
        )
        for group, reason, limit in keys
    ]


def quota_pairs(result: Result, names: Names) -> list[Pair]:
    """A row for each limit of each deployment with the share of it that was used."""
    before, after = _used(result.before.quota), _used(result.after.quota)
    return [
        Pair(
            name=names.deployments.get(upstream, "A deployment that is gone"),
            note=UNITS[limit],
            before=before.get((upstream, limit)),
            after=after.get((upstream, limit)),
        )
        for upstream, limit in dict.fromkeys([*before, *after])
    ]


def _used(quota: Sequence[QuotaUse]) -> dict[tuple[str, str], float]:
    return {(use.upstream, use.limit): use.share for use in quota}

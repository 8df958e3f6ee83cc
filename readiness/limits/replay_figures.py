"""What a replay says of tiers, limits and quotas, from the fates of its requests."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from readiness.limits.quotas import LIMITS
from readiness.limits.replay import Fate, World
from readiness.limits.tickets import UNITS

WINDOWS = 48
"""Parts of the replayed time that waits are shown by."""
MOST_REFUSALS = 50
"""Reasons with limits that are listed; each end user may have a limit of their own."""
_LEAST_WINDOW_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """One tier, or one part of it that is looked at for itself. Waits are those of requests let through."""

    name: str
    asked: int
    granted: int
    refused: int
    expired: int
    p50_ms: int | None
    p99_ms: int | None
    longest_ms: int | None
    nanos: int
    """Money spent."""
    tokens: int
    """Input and output used."""
    share: float | None
    """Of all tokens used; None where none were."""
    p99_series: Sequence[int | None]
    """By window of arrival, in milliseconds; None where nobody of the window was let through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """How many requests of a group were turned away for one reason."""

    group: str
    reason: str
    """A key of ``tickets.REFUSALS``."""
    limit: str
    """Which limit and whose, e.g. ``project:12 day``; empty where the scripts name none."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """How much of a provider's limit was used, from the first arrival to the last grant."""

    upstream: str
    limit: str
    """``rpm``, ``tpm``, ``itpm``, ``otpm``, ``rpd`` or ``tpd``."""
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The outcome of one replay."""

    starts_ms: int
    """Unix time of the first arrival."""
    window_ms: int
    groups: Sequence[GroupFigures]
    refusals: Sequence[Refusals]
    quota: Sequence[QuotaUse]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            starts_ms=stored["starts_ms"],
            window_ms=stored["window_ms"],
            groups=[GroupFigures(**group) for group in stored["groups"]],
            refusals=[Refusals(**refusals) for refusals in stored["refusals"]],
            quota=[QuotaUse(**use) for use in stored["quota"]],
        )


def figures_of(fates: Sequence[Fate], world: World) -> Figures:
    """Sums and quantiles. ``fates`` in the order of arrival, at least one."""
    starts, ends = fates[0].demand.at_ms, fates[-1].demand.at_ms
    window_ms = max(_LEAST_WINDOW_MS, math.ceil((ends - starts + 1) / WINDOWS))
    by_group = defaultdict(list)
    for fate in fates:
        by_group[_group_of(fate)].append(fate)
    tokens = sum(fate.demand.tokens for fate in fates if fate.status == "granted")
    return Figures(
        starts_ms=starts,
        window_ms=window_ms,
        groups=[_figures(name, by_group[name], tokens, starts, window_ms) for name in sorted(by_group)],
        refusals=list(_refusals(fates)),
        quota=list(_quota_use(fates, world)),
    )


def _group_of(fate: Fate) -> str:
    return fate.demand.group or fate.demand.tier


def _figures(name: str, fates: Sequence[Fate], tokens: int, starts: int, window_ms: int) -> GroupFigures:
    statuses = Counter(fate.status for fate in fates)
    granted = [fate for fate in fates if fate.status == "granted"]
    waits = sorted(fate.waited_ms for fate in granted)
    own = sum(fate.demand.tokens for fate in granted)
    windows: list[list[int]] = [[] for _ in range(WINDOWS)]
    for fate in granted:
        windows[(fate.demand.at_ms - starts) // window_ms].append(fate.waited_ms)
    return GroupFigures(
        name=name,
        asked=len(fates),
        granted=len(granted),
        refused=statuses["refused"],
        expired=statuses["expired"],
        p50_ms=_quantile(waits, 0.5),
        p99_ms=_quantile(waits, 0.99),
        longest_ms=_quantile(waits, 1.0),
        nanos=sum(fate.demand.nanos for fate in granted),
        tokens=own,
        share=own / tokens if tokens else None,
        p99_series=[_quantile(sorted(window), 0.99) for window in windows],
    )


def _quantile(values: Sequence[int], share: float) -> int | None:
    """The smallest of the sorted values that is not less than ``share`` of them."""
    return values[math.ceil(share * len(values)) - 1] if values else None


def _refusals(fates: Sequence[Fate]) -> Iterator[Refusals]:
    turned_away = (fate for fate in fates if fate.status in ("refused", "expired"))
    counted = Counter((_group_of(fate), fate.reason, fate.limit) for fate in turned_away)
    for (group, reason, limit), count in counted.most_common(MOST_REFUSALS):
        yield Refusals(group=group, reason=reason, limit=limit, count=count)


def _quota_use(fates: Sequence[Fate], world: World) -> Iterator[QuotaUse]:
    granted = [fate for fate in fates if fate.status == "granted"]
    if not granted:
        return
    # Up to the last arrival too: a change that turns most of them away must not look like more use.
    last = max(fates[-1].demand.at_ms, *(fate.demand.at_ms + fate.waited_ms for fate in granted))
    lasted_ms = last - fates[0].demand.at_ms
    charged: dict[str, list[int]] = defaultdict(lambda: [0] * len(UNITS))
    for fate in granted:
        of_upstream = charged[fate.demand.upstream]
        for i, amount in enumerate(fate.demand.actual.to_args()):
            of_upstream[i] += amount
    for name, amounts in charged.items():
        for limit, (unit, window_ms) in LIMITS.items():
            most = getattr(world.upstreams[name].quota, limit)
            if most is not None:
                # A full bucket at the start lets a window's worth through before the rate counts.
                room = most * (1 + lasted_ms / window_ms)
                yield QuotaUse(upstream=name, limit=limit, share=amounts[UNITS.index(unit)] / room)

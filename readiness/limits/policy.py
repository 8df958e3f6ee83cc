"""What the rows of policy say, in the form that the scripts read.

A tier, and each of its overrides, is a line in the queue; ``cap:`` fields are what a subject may use over all
lines. Money is in nano-dollars, waits are in milliseconds.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from django.db.models import Q

from readiness.lib.money import nanos
from readiness.lib.scopes import Scope, ScopeKind
from readiness.projects.models import Allowance, AllowanceKind, Limits, Project, Tier, TierOverride

_Row = TypeVar("_Row", Tier, TierOverride, Allowance)


def published_fields(
    tiers: Iterable[Tier], overrides: Iterable[TierOverride], allowances: Iterable[Allowance]
) -> dict[str, Any]:
    """Field to value, ready for JSON; what is not set has no entry.

    An end user's override inherits from its project's, which inherits from the tier. A limit names the scope
    that set it, because all who inherit it count in one bucket. Overrides of a tier that is not among
    ``tiers``, because it was added since they were read, are left out.
    """
    slugs: dict[int, str] = {}
    lines: dict[Scope, dict[str, Any]] = {}
    for tier in tiers:
        scope = _tier_scope(tier.slug)
        slugs[tier.pk], lines[scope] = tier.slug, _line(tier, scope, {})
    lowest = min((line["weight"] for line in lines.values()), default=1)
    for override in sorted(overrides, key=lambda row: row.end_user != ""):
        if slug := slugs.get(override.tier_id):
            of_project = _tier_scope(slug, override.project_id)
            parent = lines.get(of_project) or lines[_tier_scope(slug)]
            scope = _tier_scope(slug, override.project_id, override.end_user)
            lines[scope] = _line(override, scope, parent)
    fields: dict[str, Any] = {str(scope): line for scope, line in lines.items()}
    fields["lowest_weight"] = lowest
    return fields | {cap_field(allowance): _amounts(allowance) for allowance in allowances}


def edited_fields(
    edited: Tier | TierOverride | Allowance,
    tiers: Iterable[Tier],
    overrides: Iterable[TierOverride],
    allowances: Iterable[Allowance],
) -> dict[str, Any]:
    """``published_fields`` as if ``edited``, which may be new, were saved; nothing is."""

    def swapped(rows: Iterable[_Row], kind: type[_Row]) -> list[_Row]:
        if not isinstance(edited, kind):
            return list(rows)
        kept: list[_Row] = [row for row in rows if row.pk != edited.pk]
        kept.append(edited)
        return kept

    return published_fields(
        swapped(tiers, Tier), swapped(overrides, TierOverride), swapped(allowances, Allowance)
    )


def _tier_scope(slug: str, project_id: int = 0, end_user: str = "") -> Scope:
    return Scope(kind=ScopeKind.TIER, tier=slug, project_id=project_id, end_user=end_user)


def _line(row: Tier | TierOverride, scope: Scope, inherited: Mapping[str, Any]) -> dict[str, Any]:
    wait_s, share = row.longest_wait_seconds, row.share_cap_percent
    own = {
        "weight": row.weight,
        "wait_ms": None if wait_s is None else wait_s * 1000,
        "concurrency": row.concurrency,
        "share_cap": None if share is None else share / 100,
    }
    limits = {unit: [amount, str(scope)] for unit, amount in _amounts(row).items()}
    merged = {**inherited, **{name: value for name, value in own.items() if value is not None}}
    return merged | {"limits": inherited.get("limits", {}) | limits}


def _amounts(row: Limits) -> dict[str, int]:
    amounts = {
        "rpm": row.requests_per_minute,
        "tpm": row.tokens_per_minute,
        "day": None if row.usd_per_day is None else nanos(row.usd_per_day),
        "month": None if row.usd_per_month is None else nanos(row.usd_per_month),
    }
    return {unit: amount for unit, amount in amounts.items() if amount is not None}


def cap_scope(allowance: Allowance) -> Scope:
    """Whose use the allowance limits; an end user without a name is each of them."""
    project_id, subject = allowance.project_id or 0, allowance.subject
    match AllowanceKind(allowance.kind):
        case AllowanceKind.API_KEY:
            return Scope(kind=ScopeKind.API_KEY, api_key=subject)
        case AllowanceKind.END_USER:
            return Scope(kind=ScopeKind.END_USER, project_id=project_id, end_user=subject)
        case AllowanceKind.ALL:
            kind = ScopeKind.PROJECT if project_id else ScopeKind.SITE
            return Scope(kind=kind, project_id=project_id)


def cap_field(allowance: Allowance) -> str:
    """The field of an allowance: ``cap:`` and its scope, or ``cap:users:<project>`` for each end user."""
    scope = cap_scope(allowance)
    if scope.kind == ScopeKind.END_USER and not scope.end_user:
        return f"cap:users:{scope.project_id}"
    return f"cap:{scope}"


_IN_MONEY = Q(usd_per_day__isnull=False) | Q(usd_per_month__isnull=False)


def caps_in_force(project: Project, keys: Collection[str] = ()) -> frozenset[ScopeKind]:
    """Which of site, project, API keys and end users have a cap in money on the project's calls.

    A cap on one named end user leaves all others free, so only one on each of them counts. API keys have
    none as long as one of ``keys``, which the project is called with, has none; without any, a cap on a key
    counts for the project that it was set for.
    """
    on_calls = Q(project=project) | Q(project=None, kind=AllowanceKind.ALL)
    capped = Allowance.objects.filter(_IN_MONEY, on_calls).exclude(
        ~Q(subject=""), kind=AllowanceKind.END_USER
    )
    found = {cap_scope(allowance).kind for allowance in capped}
    if keys:
        found.add(ScopeKind.API_KEY)
    if uncapped_keys(keys):
        found.remove(ScopeKind.API_KEY)
    return frozenset(found)


def uncapped_keys(keys: Collection[str]) -> list[str]:
    """Those of these API keys that have no cap in money, whichever project it was set for."""
    capped = Allowance.objects.filter(_IN_MONEY, kind=AllowanceKind.API_KEY)
    return sorted(set(keys) - set(capped.values_list("subject", flat=True)))

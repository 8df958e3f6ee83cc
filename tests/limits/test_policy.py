"""From rows to what the scripts read: by table."""

from decimal import Decimal
from typing import Any

import pytest

from readiness.lib.scopes import ScopeKind
from readiness.limits.policy import cap_field, caps_in_force, published_fields
from readiness.projects.models import Allowance, AllowanceKind, Project, Tier, TierOverride

NANOS = 1_000_000_000


def free(**values: Any) -> Tier:
    return Tier(**({"pk": 1, "slug": "free", "weight": 1, "longest_wait_seconds": 60} | values))


def override(end_user: str = "", **values: Any) -> TierOverride:
    return TierOverride(tier_id=1, project_id=12, end_user=end_user, **values)


def allowance(kind: AllowanceKind, subject: str = "", project_id: int | None = None) -> Allowance:
    return Allowance(kind=kind, subject=subject, project_id=project_id)


def test_tier_without_limits_has_a_weight_and_a_wait() -> None:
    assert published_fields([free()], [], []) == {
        "tier:free": {"weight": 1, "wait_ms": 60_000, "limits": {}},
        "lowest_weight": 1,
    }


def test_every_setting_of_a_tier_is_published_in_the_scripts_units() -> None:
    tier = free(
        weight=4,
        concurrency=2,
        share_cap_percent=30,
        requests_per_minute=100,
        tokens_per_minute=5000,
        usd_per_day=Decimal("12.34"),
        usd_per_month=Decimal(300),
    )

    assert published_fields([tier], [], [])["tier:free"] == {
        "weight": 4,
        "wait_ms": 60_000,
        "concurrency": 2,
        "share_cap": 0.3,
        "limits": {
            "rpm": [100, "tier:free"],
            "tpm": [5000, "tier:free"],
            "day": [12_340_000_000, "tier:free"],
            "month": [300 * NANOS, "tier:free"],
        },
    }


def test_largest_budget_is_published_to_the_nano_dollar() -> None:
    tier = free(usd_per_month=Decimal("8999999.99"))

    assert published_fields([tier], [], [])["tier:free"]["limits"]["month"][0] == 8_999_999_990_000_000


def test_override_keeps_what_it_does_not_set() -> None:
    tier = free(concurrency=2, requests_per_minute=100, tokens_per_minute=5000)
    own = override(weight=3, tokens_per_minute=900)

    assert published_fields([tier], [own], [])["tier:free/12"] == {
        "weight": 3,
        "wait_ms": 60_000,
        "concurrency": 2,
        "limits": {"rpm": [100, "tier:free"], "tpm": [900, "tier:free/12"]},
    }


def test_end_users_override_inherits_from_the_projects() -> None:
    overrides = [override("ada", usd_per_day=Decimal(1)), override(weight=3, requests_per_minute=50)]

    assert published_fields([free()], overrides, [])["tier:free/12/ada"] == {
        "weight": 3,
        "wait_ms": 60_000,
        "limits": {"rpm": [50, "tier:free/12"], "day": [NANOS, "tier:free/12/ada"]},
    }


def test_end_users_override_inherits_from_the_tier_without_one_of_the_project() -> None:
    fields = published_fields([free(concurrency=2)], [override("ada", weight=9)], [])

    assert fields["tier:free/12/ada"]["concurrency"] == 2
    assert "tier:free/12" not in fields


def test_override_of_one_does_not_change_the_tier_of_the_others() -> None:
    fields = published_fields([free(requests_per_minute=100)], [override(requests_per_minute=5)], [])

    assert fields["tier:free"]["limits"] == {"rpm": [100, "tier:free"]}


def test_end_users_name_cannot_pass_for_another_line() -> None:
    assert "tier:free/12/a%2Fb" in published_fields([free()], [override("a/b", weight=2)], [])


def test_override_of_a_tier_that_was_not_read_is_left_out() -> None:
    assert published_fields([], [override(weight=2)], []) == {"lowest_weight": 1}


def test_lowest_weight_is_that_of_the_tiers_alone() -> None:
    tiers = [free(weight=4), free(pk=2, slug="pro", weight=16)]

    assert published_fields(tiers, [override(weight=2)], [])["lowest_weight"] == 4


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (allowance(AllowanceKind.ALL), "cap:site"),
        (allowance(AllowanceKind.ALL, project_id=12), "cap:project:12"),
        (allowance(AllowanceKind.API_KEY, "k1"), "cap:key:k1"),
        (allowance(AllowanceKind.API_KEY, "k1", project_id=12), "cap:key:k1"),
        (allowance(AllowanceKind.END_USER, project_id=12), "cap:users:12"),
        (allowance(AllowanceKind.END_USER, "a:b", project_id=12), "cap:user:12:a%3Ab"),
    ],
)
def test_cap_field_names_the_subject(row: Allowance, field: str) -> None:
    assert cap_field(row) == field


def test_allowance_is_published_with_what_it_limits_only() -> None:
    row = allowance(AllowanceKind.ALL)
    row.requests_per_minute, row.usd_per_day = 10, Decimal("0.01")

    assert published_fields([], [], [row])["cap:site"] == {"rpm": 10, "day": 10_000_000}


@pytest.mark.parametrize(
    ("kind", "subject", "of_project", "found"),
    [
        (AllowanceKind.ALL, "", False, {ScopeKind.SITE}),
        (AllowanceKind.ALL, "", True, {ScopeKind.PROJECT}),
        (AllowanceKind.API_KEY, "k1", True, {ScopeKind.API_KEY}),
        (AllowanceKind.API_KEY, "k1", False, set()),
        (AllowanceKind.END_USER, "", True, {ScopeKind.END_USER}),
        (AllowanceKind.END_USER, "ada", True, set()),
    ],
)
@pytest.mark.parametrize("field", ["usd_per_day", "usd_per_month"])
def test_cap_in_money_is_in_force_for_its_kind(
    project: Project, kind: AllowanceKind, subject: str, of_project: bool, found: set[ScopeKind], field: str
) -> None:
    owner = project if of_project else None
    Allowance.objects.create(project=owner, kind=kind, subject=subject, **{field: Decimal(5)})

    assert caps_in_force(project) == found


def test_cap_in_requests_is_no_cap_in_money(project: Project) -> None:
    Allowance.objects.create(project=project, kind=AllowanceKind.ALL, requests_per_minute=5)

    assert caps_in_force(project) == set()


def test_cap_of_another_project_is_not_in_force_here(project: Project) -> None:
    other = Project.objects.create(name="Other", slug="other")
    Allowance.objects.create(project=other, kind=AllowanceKind.ALL, usd_per_day=Decimal(5))

    assert caps_in_force(project) == set()

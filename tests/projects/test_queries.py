"""Whom policy treats otherwise: which rows, in which order."""

import pytest

from readiness.projects.models import Allowance, AllowanceKind, Project, Tier, TierOverride
from readiness.projects.queries import allowances_of, overrides_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def other() -> Project:
    return Project.objects.create(name="Another", slug="another")


@pytest.fixture
def tier(project: Project, other: Project) -> Tier:
    tier = Tier.objects.create(slug="basic", name="Basic")
    for owner, end_user in [(project, "ada"), (project, ""), (other, "")]:
        TierOverride.objects.create(tier=tier, project=owner, end_user=end_user, weight=2)
    return tier


@pytest.fixture
def allowances(project: Project, other: Project) -> None:
    for owner, kind, subject in [
        (project, AllowanceKind.ALL, ""),
        (project, AllowanceKind.END_USER, "ada"),
        (other, AllowanceKind.ALL, ""),
        (None, AllowanceKind.ALL, ""),
        (None, AllowanceKind.API_KEY, "k1"),
    ]:
        Allowance.objects.create(project=owner, kind=kind, subject=subject, requests_per_minute=1)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["Another", "Handbook assistant", "“ada” of Handbook assistant"]),
        ("ADA", ["“ada” of Handbook assistant"]),
        ("anoth", ["Another"]),
        ("nobody", []),
    ],
)
def test_overrides_are_found_by_project_or_end_user(tier: Tier, search: str, found: list[str]) -> None:
    assert [row.whom for row in overrides_of(tier, search)] == found


def test_overrides_of_another_tier_are_not_among_them(tier: Tier) -> None:
    assert not overrides_of(Tier.objects.create(slug="other", name="Other")).exists()


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (
            "",
            [
                "The whole site",
                "API key k1",
                "Another",
                "Handbook assistant",
                "“ada” of Handbook assistant",
            ],
        ),
        ("K1", ["API key k1"]),
        ("handbook", ["Handbook assistant", "“ada” of Handbook assistant"]),
    ],
)
def test_site_reads_all_allowances_its_own_first(allowances: None, search: str, found: list[str]) -> None:
    assert [str(row) for row in allowances_of(None, search)] == found


def test_project_reads_its_own_allowances_only(allowances: None, project: Project) -> None:
    assert [str(row) for row in allowances_of(project)] == [
        "Handbook assistant",
        "“ada” of Handbook assistant",
    ]

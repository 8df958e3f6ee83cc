"""Rows of policy that make no sense are refused by the database itself."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from readiness.projects.models import Allowance, AllowanceKind, Project, Tier, TierOverride

pytestmark = pytest.mark.django_db

ALL, KEY, USER = AllowanceKind.ALL, AllowanceKind.API_KEY, AllowanceKind.END_USER


@pytest.fixture
def tier() -> Tier:
    return Tier.objects.create(slug="basic", name="Basic")


def refused(model: Any, **values: Any) -> bool:
    try:
        with transaction.atomic():
            model.objects.create(**values)
    except IntegrityError:
        return True
    return False


@pytest.mark.parametrize(
    ("field", "worst", "least", "most", "too_much"),
    [
        ("requests_per_minute", 0, 1, 2_147_483_647, None),
        ("tokens_per_minute", 0, 1, 2_147_483_647, None),
        ("usd_per_day", Decimal(0), Decimal("0.01"), Decimal(9_000_000), Decimal("9000000.01")),
        ("usd_per_month", Decimal(0), Decimal("0.01"), Decimal(9_000_000), Decimal("9000000.01")),
        ("concurrency", 0, 1, 2_147_483_647, None),
        ("share_cap_percent", 0, 1, 100, 101),
        ("weight", 0, 1, 1000, 1001),
        ("longest_wait_seconds", 0, 1, 86_400, 86_401),
    ],
)
def test_override_keeps_within_its_bounds(
    tier: Tier, project: Project, field: str, worst: Any, least: Any, most: Any, too_much: Any
) -> None:
    def is_refused(user: str, value: Any) -> bool:
        return refused(TierOverride, tier=tier, project=project, end_user=user, **{field: value})

    assert is_refused("zero", worst)
    assert too_much is None or is_refused("too much", too_much)
    assert not is_refused("least", least)
    assert not is_refused("most", most)


@pytest.mark.parametrize(
    "field", ["requests_per_minute", "tokens_per_minute", "usd_per_day", "concurrency", "share_cap_percent"]
)
def test_tier_of_a_limit_of_nothing_is_refused(field: str) -> None:
    assert refused(Tier, slug="zero", name="Zero", **{field: 0})


def test_override_that_sets_nothing_is_refused(tier: Tier, project: Project) -> None:
    assert refused(TierOverride, tier=tier, project=project)


@pytest.mark.parametrize("end_user", ["", "ada"])
def test_subject_has_one_override_of_a_tier(tier: Tier, project: Project, end_user: str) -> None:
    subject = {"tier": tier, "project": project, "end_user": end_user}
    TierOverride.objects.create(**subject, weight=2)

    assert refused(TierOverride, **subject, weight=3)


def test_allowance_that_limits_nothing_is_refused() -> None:
    assert refused(Allowance, kind=ALL)


@pytest.mark.parametrize(
    ("kind", "subject", "of_project", "is_refused"),
    [
        (ALL, "", False, False),
        (ALL, "", True, False),
        (ALL, "ada", True, True),
        (KEY, "k1", False, False),
        (KEY, "k1", True, False),
        (KEY, "", True, True),
        (USER, "ada", True, False),
        (USER, "", True, False),
        (USER, "ada", False, True),
        ("group", "ada", True, True),
    ],
)
def test_allowance_has_a_subject_of_its_kind(
    project: Project, kind: str, subject: str, of_project: bool, is_refused: bool
) -> None:
    owner = project if of_project else None

    assert refused(Allowance, project=owner, kind=kind, subject=subject, requests_per_minute=1) == is_refused


@pytest.mark.parametrize(
    ("kind", "subject", "of_project"),
    [
        (ALL, "", False),
        (ALL, "", True),
        (KEY, "k1", False),
        (KEY, "k1", True),
        (USER, "", True),
        (USER, "ada", True),
    ],
)
def test_subject_has_one_allowance(project: Project, kind: str, subject: str, of_project: bool) -> None:
    whom = {"project": project if of_project else None, "kind": kind, "subject": subject}
    Allowance.objects.create(**whom, requests_per_minute=1)

    assert refused(Allowance, **whom, requests_per_minute=2)


def test_api_key_has_one_allowance_whichever_project_it_is_for(project: Project) -> None:
    Allowance.objects.create(kind=KEY, subject="k1", requests_per_minute=1)

    assert refused(Allowance, project=project, kind=KEY, subject="k1", requests_per_minute=2)


@pytest.mark.parametrize(
    ("kind", "subject", "of_project", "words"),
    [
        (ALL, "", False, "The whole site"),
        (ALL, "", True, "Handbook assistant"),
        (KEY, "k1", False, "API key k1"),
        (KEY, "k1", True, "API key k1 of Handbook assistant"),
        (USER, "", True, "Each end user of Handbook assistant"),
        (USER, "ada", True, "“ada” of Handbook assistant"),
    ],
)
def test_allowance_says_whom_it_is_for(
    project: Project, kind: str, subject: str, of_project: bool, words: str
) -> None:
    owner = project if of_project else None

    assert str(Allowance(project=owner, kind=kind, subject=subject)) == words

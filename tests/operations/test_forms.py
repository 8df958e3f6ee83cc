"""What an admin may type about a tier and its overrides."""

from decimal import Decimal

import pytest
from pytest_django import Settings

from readiness.operations.forms import NewOverrideForm, NewTierForm, OverrideForm, TierForm
from readiness.projects.models import Project, Tier, TierOverride

GOOD = {
    "name": "Basic",
    "weight": "2",
    "requests_per_minute": "",
    "tokens_per_minute": "5000",
    "longest_wait_seconds": "30",
    "usd_per_day": "2.50",
    "share_cap_percent": "30",
}


@pytest.fixture
def basic(db: None) -> Tier:
    return Tier.objects.create(slug="basic", name="Basic")


def test_form_gives_the_columns_of_the_row() -> None:
    form = TierForm(GOOD)

    assert form.is_valid()
    assert form.values() == {
        "name": "Basic",
        "weight": 2,
        "requests_per_minute": None,
        "tokens_per_minute": 5000,
        "longest_wait_seconds": 30,
        "usd_per_day": Decimal("2.50"),
        "usd_per_month": None,
        "concurrency": None,
        "share_cap_percent": 30,
    }


@pytest.mark.parametrize(
    "field",
    [
        "weight",
        "requests_per_minute",
        "tokens_per_minute",
        "longest_wait_seconds",
        "concurrency",
        "share_cap_percent",
    ],
)
@pytest.mark.parametrize("value", ["0", "-1"])
def test_zero_and_less_are_refused_with_what_to_do(field: str, value: str) -> None:
    form = TierForm(GOOD | {field: value})

    assert not form.is_valid()
    assert form.errors[field][0].startswith("Enter 1 or more")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "Enter 0.01 or more"),
        ("0.001", "Enter whole cents"),
        ("9000000.01", "at most"),
        ("NaN", "Enter an amount"),
        ("lots", "Enter an amount"),
    ],
)
def test_money_that_makes_no_budget_is_refused_with_what_to_do(value: str, words: str) -> None:
    assert words in " ".join(TierForm(GOOD | {"usd_per_month": value}).errors["usd_per_month"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weight", "1001"),
        ("longest_wait_seconds", "86401"),
        ("tokens_per_minute", "9" * 12),
        ("share_cap_percent", "101"),
    ],
)
def test_absurd_numbers_are_refused(field: str, value: str) -> None:
    form = TierForm(GOOD | {field: value})

    assert "at most" in form.errors[field][0]


@pytest.mark.parametrize("value", ["many", "1.5"])
def test_words_are_refused(value: str) -> None:
    assert TierForm(GOOD | {"weight": value}).errors["weight"] == ["Enter a whole number."]


def test_slug_that_exists_is_refused(basic: Tier) -> None:
    assert NewTierForm(GOOD | {"slug": "basic"}).errors["slug"] == ["There is a tier of this slug already."]


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["two words", "a:b", "ü", "new"])
def test_slug_that_cannot_be_an_address_is_refused(slug: str) -> None:
    assert "slug" in NewTierForm(GOOD | {"slug": slug}).errors


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["unknown", "drill"])
def test_slug_that_means_something_else_already_is_refused(slug: str) -> None:
    (told,) = NewTierForm(GOOD | {"slug": slug}).errors["slug"]

    assert told.startswith(f"“{slug}” ")


def test_money_note_names_the_zone_of_the_budgets(settings: Settings) -> None:
    settings.BUDGET_TIME_ZONE = "Europe/Berlin"
    (money,) = [group for group in TierForm().groups() if group.title == "Money"]

    assert "midnight, Europe/Berlin" in money.note


@pytest.mark.parametrize("form_class", [TierForm, NewTierForm, OverrideForm])
def test_groups_show_every_field_once(form_class: type[TierForm]) -> None:
    form = form_class()
    shown = [field.name for group in form.groups() for field in group.fields]

    assert sorted(shown) == sorted(form.fields)


def test_override_inherits_what_is_left_empty() -> None:
    form = OverrideForm({"requests_per_minute": "5"})

    assert form.is_valid()
    assert {name for name, value in form.values().items() if value is not None} == {"requests_per_minute"}


def test_override_that_sets_nothing_is_refused() -> None:
    assert "Set at least one value" in OverrideForm({}).non_field_errors()[0]


@pytest.mark.parametrize(("end_user", "is_taken"), [("", True), ("ada", False)])
def test_second_override_of_a_subject_is_refused(
    basic: Tier, project: Project, end_user: str, is_taken: bool
) -> None:
    TierOverride.objects.create(tier=basic, project=project, weight=2)
    form = NewOverrideForm({"project": project.pk, "end_user": end_user, "weight": "3"}, tier=basic)

    assert form.is_valid() != is_taken


def test_override_needs_a_project(basic: Tier) -> None:
    assert "project" in NewOverrideForm({"weight": "3"}, tier=basic).errors

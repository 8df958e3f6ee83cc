"""What an admin may type about a tier."""

import pytest

from readiness.operations.forms import NewTierForm, TierForm
from readiness.projects.models import Tier

GOOD = {
    "name": "Basic",
    "weight": "2",
    "requests_per_minute": "",
    "tokens_per_minute": "5000",
    "longest_wait_seconds": "30",
}


def test_form_reads_numbers_and_no_limit() -> None:
    form = TierForm(GOOD)

    assert form.is_valid()
    assert form.cleaned_data == {
        "name": "Basic",
        "weight": 2,
        "requests_per_minute": None,
        "tokens_per_minute": 5000,
        "longest_wait_seconds": 30,
    }


@pytest.mark.parametrize(
    "field", ["weight", "requests_per_minute", "tokens_per_minute", "longest_wait_seconds"]
)
@pytest.mark.parametrize("value", ["0", "-1"])
def test_zero_and_less_are_refused_with_what_to_do(field: str, value: str) -> None:
    form = TierForm(GOOD | {field: value})

    assert not form.is_valid()
    assert form.errors[field][0].startswith("Enter 1 or more")


@pytest.mark.parametrize(
    ("field", "value"),
    [("weight", "1001"), ("longest_wait_seconds", "86401"), ("tokens_per_minute", "9" * 12)],
)
def test_absurd_numbers_are_refused(field: str, value: str) -> None:
    form = TierForm(GOOD | {field: value})

    assert "at most" in form.errors[field][0]


@pytest.mark.parametrize("value", ["many", "1.5"])
def test_words_are_refused(value: str) -> None:
    assert TierForm(GOOD | {"weight": value}).errors["weight"] == ["Enter a whole number."]


@pytest.mark.django_db
def test_slug_that_exists_is_refused() -> None:
    Tier.objects.create(slug="basic", name="Basic")

    assert NewTierForm(GOOD | {"slug": "basic"}).errors["slug"] == ["There is a tier of this slug already."]


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["two words", "a:b", "ü"])
def test_slug_of_other_signs_is_refused(slug: str) -> None:
    assert "slug" in NewTierForm(GOOD | {"slug": slug}).errors

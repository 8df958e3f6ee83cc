"""Cleaning of what an admin types about a tier."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from readiness.projects.models import Tier

_LARGEST = 2_147_483_647
_NO_LIMIT = "Enter 1 or more, or leave it empty for no limit. To stop a tier, take its keys away instead."


def _whole_number(label: str, least: str, *, most: int, **options: Any) -> forms.IntegerField:
    """A number of 1 or more; ``least`` are the words for a smaller one."""
    return forms.IntegerField(
        label=label,
        min_value=1,
        max_value=most,
        error_messages={
            "min_value": least,
            "max_value": f"Enter {most:,} at most.",
            "invalid": "Enter a whole number.",
        },
        **options,
    )


class TierForm(forms.Form):
    """Everything about a tier but its slug, which names it in requests and never changes."""

    name = forms.CharField(max_length=60)
    weight = _whole_number(
        "Weight",
        "Enter 1 or more: a tier of weight 0 would never be served.",
        most=1000,
        help_text="Share of the quota against the other tiers that wait at the same deployment.",
    )
    requests_per_minute = _whole_number(
        "Requests per minute", _NO_LIMIT, most=_LARGEST, required=False, help_text="Over all deployments."
    )
    tokens_per_minute = _whole_number(
        "Tokens per minute", _NO_LIMIT, most=_LARGEST, required=False, help_text="Over all deployments."
    )
    longest_wait_seconds = _whole_number(
        "Longest wait (seconds)",
        "Enter 1 or more: with 0, every request would be refused that finds the queue not empty.",
        most=86_400,
        help_text="A request that would wait longer is refused. Benchmarks and spot-checks bring a wait of "
        "their own.",
    )


class NewTierForm(TierForm):
    """A tier with its slug."""

    slug = forms.SlugField(
        max_length=40,
        help_text="What requests name the tier by, e.g. “pro”. It cannot be changed later.",
        error_messages={"invalid": "Use letters, digits, hyphens and underscores only."},
    )
    field_order = ("name", "slug")

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if Tier.objects.filter(slug=slug).exists():
            raise ValidationError("There is a tier of this slug already.")
        return slug

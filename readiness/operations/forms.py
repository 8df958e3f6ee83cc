"""Cleaning of what an admin types about tiers and their overrides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Model

from readiness.lib.forms import WatchfulForm
from readiness.projects.models import (
    LEAST_USD,
    LIMIT_FIELDS,
    MOST_USD,
    OVERRIDABLE,
    Project,
    Tier,
    TierOverride,
)

_LARGEST = 2_147_483_647
_OR_EMPTY = "Enter 1 or more, or leave it empty. To stop all calls, take the keys away instead."


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


def _limit(label: str, *, most: int = _LARGEST, **options: Any) -> forms.IntegerField:
    return _whole_number(label, _OR_EMPTY, most=most, required=False, **options)


def _money(label: str) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=LEAST_USD,
        max_value=MOST_USD,
        decimal_places=2,
        error_messages={
            "min_value": _OR_EMPTY.replace("1", "0.01"),
            "max_value": f"Enter {MOST_USD:,} at most.",
            "max_decimal_places": "Enter whole cents.",
            "invalid": "Enter an amount such as 25 or 2.50.",
        },
    )


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together, under a title and a note on what happens to requests."""

    title: str
    note: str
    fields: Sequence[forms.BoundField]


class LimitsForm(WatchfulForm, forms.Form):
    """What may be used in a minute, a day and a month; empty is None."""

    requests_per_minute = _limit("Requests per minute")
    tokens_per_minute = _limit("Tokens per minute", help_text="Input and output of a call, as they turn out.")
    usd_per_day = _money("USD per day")
    usd_per_month = _money("USD per month")

    value_fields: tuple[str, ...] = LIMIT_FIELDS
    """The fields that are columns of the row."""

    def __init__(self, *args: Any, row: Model | None = None, **kwargs: Any) -> None:
        """``row``: what is edited; None to add one."""
        if row:
            kwargs["initial"] = {name: getattr(row, name) for name in self.value_fields}
        super().__init__(*args, **kwargs)
        if row:
            self.watch(self.initial)

    def values(self) -> dict[str, Any]:
        """What was typed, by column, as the services take it."""
        return {name: self.cleaned_data[name] for name in self.value_fields}

    def group(self, title: str, note: str, names: Iterable[str]) -> Group:
        return Group(title, note, [self[name] for name in names if name in self.fields])

    def money_group(self) -> Group:
        note = (
            f"Days and months begin at midnight, {settings.BUDGET_TIME_ZONE}. Once a budget is spent, calls "
            "are refused until the next one begins. Requests that wait were counted as they came: they are "
            "still served."
        )
        return self.group("Money", note, ("usd_per_day", "usd_per_month"))

    def refuse_nothing_set(self) -> None:
        if not self.errors and all(value is None for value in self.values().values()):
            raise ValidationError("Set at least one value: with none there would be no difference.")


class SharesForm(LimitsForm):
    """Everything that a tier has and that an override may set otherwise."""

    weight = _whole_number(
        "Weight",
        "Enter 1 or more: a tier of weight 0 would never be served.",
        most=1000,
        help_text="Share of the quota against the others that wait at the same deployment. Requests that "
        "wait already are served in the new proportion.",
    )
    longest_wait_seconds = _whole_number(
        "Longest wait (seconds)",
        "Enter 1 or more: with 0, every request would be refused that finds the queue not empty.",
        most=86_400,
        help_text="A request that would wait longer is refused before it queues. Those that wait already "
        "keep the wait that they came with, and benchmarks and spot-checks bring one of their own.",
    )
    concurrency = _limit(
        "Calls in flight",
        help_text="Of one tenant. Its further requests wait until one of its calls has ended, and other "
        "tenants go ahead.",
    )
    share_cap_percent = _limit(
        "Share of any quota (%)",
        most=100,
        help_text="At most this part of each deployment's quota, even while nobody else wants the rest.",
    )

    value_fields: tuple[str, ...] = OVERRIDABLE

    def groups(self) -> list[Group]:
        return [
            self.group("", "", ("name", "slug", "project", "end_user")),
            self.group("Priority", "", ("weight", "longest_wait_seconds")),
            self._limits_group(),
            self.money_group(),
            self.group("Per tenant", "", ("concurrency",)),
        ]

    def _limits_group(self) -> Group:
        note = (
            "Over all projects and deployments together. Requests above a limit wait for their turn; one "
            "that would wait too long is refused."
        )
        return self.group("Limits of the whole tier", note, _HOLDING_FIELDS)


_HOLDING_FIELDS = ("requests_per_minute", "tokens_per_minute", "share_cap_percent")


class TierForm(SharesForm):
    """Everything about a tier but its slug, which names it in requests and never changes."""

    name = forms.CharField(max_length=60)

    value_fields = ("name", *OVERRIDABLE)


class NewTierForm(TierForm):
    """A tier with its slug."""

    slug = forms.SlugField(
        max_length=40,
        help_text="What requests name the tier by, e.g. “pro”. It cannot be changed later.",
        error_messages={"invalid": "Use letters, digits, hyphens and underscores only."},
    )

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if Tier.objects.filter(slug=slug).exists():
            raise ValidationError("There is a tier of this slug already.")
        if slug in _RESERVED_SLUGS:
            raise ValidationError(f"“{slug}” {_RESERVED_SLUGS[slug]}. Choose another slug.")
        return slug


_RESERVED_SLUGS: Final = {
    "new": "is the address of this page",
    "unknown": "names the calls of tiers that nobody added",
    "drill": "is a tier of the drills' own",
}


class OverrideForm(SharesForm):
    """What a project or an end user gets otherwise; empty is inherited."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in OVERRIDABLE:
            self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        self.refuse_nothing_set()
        return self.cleaned_data

    def _limits_group(self) -> Group:
        note = (
            "A limit that is set here is counted for itself; an empty one together with everybody who has it "
            "from the same place. Requests above a limit wait for their turn."
        )
        return self.group("Limits", note, _HOLDING_FIELDS)


class NewOverrideForm(OverrideForm):
    """An override with whom it is for."""

    project = forms.ModelChoiceField(Project.objects.all(), empty_label="Choose a project")
    end_user = forms.CharField(
        label="End user",
        max_length=200,
        required=False,
        help_text="As the project's app names them. Empty: everybody in the project.",
    )

    def __init__(self, *args: Any, tier: Tier, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tier = tier

    def clean(self) -> dict[str, Any]:
        subject = {name: self.cleaned_data.get(name) for name in ("project", "end_user")}
        if subject["project"] and TierOverride.objects.filter(tier=self._tier, **subject).exists():
            raise ValidationError("There is an override for this already: change that one.")
        return super().clean()

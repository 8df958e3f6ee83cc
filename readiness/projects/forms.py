"""Input about projects, and about the people in them."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from readiness.accounts.models import User
from readiness.lib.money import nanos, usd
from readiness.projects.models import Category, Project, Role
from readiness.projects.presets import preset_of
from readiness.projects.services import ProjectDetails

LONGEST_LATENCY_MS = 3_600_000


def _milliseconds(label: str, example: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=LONGEST_LATENCY_MS,
        widget=forms.NumberInput(attrs={"placeholder": example}),
    )


class ProjectForm(forms.Form):
    """A project's name, purpose and requirements; money is typed in US dollars."""

    name = forms.CharField(max_length=100)
    category = forms.ChoiceField(choices=Category.choices)
    use_case = forms.CharField(
        max_length=200, required=False, widget=forms.TextInput(attrs={"list": "use-cases"})
    )
    description = forms.CharField(
        required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What it does, for whom, and what must not go wrong.",
    )  # fmt: skip
    latency_p95_ms = _milliseconds("Latency, p95 (ms)", "4000")
    ttft_p95_ms = _milliseconds("Time to first token, p95 (ms)", "800")
    cost_per_request_usd = forms.DecimalField(
        label="Cost per request (US dollars)",
        required=False,
        min_value=Decimal("0.000000001"),
        max_value=Decimal(1000),
        decimal_places=9,
        widget=forms.NumberInput(attrs={"placeholder": "0.002", "step": "any"}),
    )
    licence = forms.CharField(
        label="Licence and terms",
        max_length=200,
        required=False,
        help_text="What the model's licence and the provider's terms must allow.",
        widget=forms.TextInput(attrs={"placeholder": "commercial use; no training on our data"}),
    )
    region = forms.CharField(
        label="Region of processing",
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "EU"}),
    )

    def __init__(self, *args: Any, project: Project | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if project:
            self.initial = {**_initial(project), **self.initial}

    @property
    def suggested_use_cases(self) -> tuple[str, ...]:
        """What the page offers for the use case; anything else may be typed."""
        preset = preset_of(self["category"].value() or "")
        return preset.use_cases if preset else ()

    def details(self) -> ProjectDetails:
        """The cleaned input; call it after ``is_valid``."""
        values = dict(self.cleaned_data)
        cost = values.pop("cost_per_request_usd")
        values["category"] = Category(values["category"])
        return ProjectDetails(cost_per_request_nanos=None if cost is None else nanos(cost), **values)


def _initial(project: Project) -> dict[str, Any]:
    initial = {name: getattr(project, name) for name in ProjectForm.base_fields if hasattr(project, name)}
    cost = project.cost_per_request_nanos
    return initial | {"cost_per_request_usd": None if cost is None else f"{usd(cost):f}"}


_ROLE_ERRORS = {
    "invalid_choice": "There is no role “%(value)s”. The roles are viewer, member, reviewer and admin."
}


class RoleForm(forms.Form):
    """One of the four roles."""

    role = forms.ChoiceField(choices=Role.choices, error_messages=_ROLE_ERRORS)

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])


class MemberForm(RoleForm):
    """A person by username, and the role they get."""

    username = forms.CharField(
        max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"})
    )
    field_order = ["username", "role"]

    def clean_username(self) -> User:
        username = self.cleaned_data["username"].strip()
        user = User.objects.filter(username__iexact=username).first()
        if user is None:
            raise ValidationError(f"Nobody here is called “{username}”. A site admin can add people.")
        if not user.is_active:
            raise ValidationError(
                f"{user.username}’s account was deactivated. A site admin can reactivate it."
            )
        return user

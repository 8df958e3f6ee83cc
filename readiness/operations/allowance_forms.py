"""Cleaning of what an admin types about allowances."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from readiness.operations.forms import Group, LimitsForm
from readiness.projects.models import Allowance, AllowanceKind, Project


class AllowanceForm(LimitsForm):
    """What a subject may use over all tiers and deployments."""

    def groups(self) -> list[Group]:
        note = (
            "Over all tiers and deployments together. A call above it is refused at once and told when it "
            "would fit; requests that wait already are still served."
        )
        return [
            self.group("", "", ("kind",)),
            self.group("", "", ("project", "subject")),
            self.group("Per minute", note, ("requests_per_minute", "tokens_per_minute")),
            self.money_group(),
        ]

    def clean(self) -> dict[str, Any]:
        self.refuse_nothing_set()
        return self.cleaned_data


class NewAllowanceForm(AllowanceForm):
    """An allowance of a project with whom it is for. Keys belong to the site, so a project has none here."""

    kind = forms.ChoiceField(
        label="For",
        choices=[(kind.value, kind.label) for kind in (AllowanceKind.ALL, AllowanceKind.END_USER)],
        widget=forms.RadioSelect,
        initial=AllowanceKind.ALL,
    )
    subject = forms.CharField(
        label="End user",
        max_length=200,
        required=False,
        help_text="As the project's app names them. Empty: each end user may use this much.",
    )

    def __init__(self, *args: Any, project: Project | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._project = project

    def subject_of(self) -> dict[str, Any]:
        """Whom it is for: ``project``, ``kind`` and ``subject``."""
        project = self.cleaned_data.get("project", self._project)
        kind = AllowanceKind(self.cleaned_data["kind"])
        return {"project": project, "kind": kind, "subject": self.cleaned_data["subject"]}

    def clean(self) -> dict[str, Any]:
        if {"kind", "subject"} <= self.cleaned_data.keys():
            self._clean_subject(self.subject_of())
        return super().clean()

    def _clean_subject(self, whom: Mapping[str, Any]) -> None:
        kind, subject = whom["kind"], whom["subject"]
        if kind == AllowanceKind.ALL and subject:
            self.add_error("subject", "Leave it empty: an allowance for everything together names nobody.")
        elif kind == AllowanceKind.API_KEY and not subject:
            self.add_error("subject", "Enter the id of the API key.")
        elif kind == AllowanceKind.END_USER and whom["project"] is None:
            self.add_error("project", "Choose the project whose end users these are.")
        # A key has one allowance, whichever project it was set for.
        same = {"kind": kind, "subject": subject} if kind == AllowanceKind.API_KEY else whom
        if Allowance.objects.filter(**same).exists():
            raise ValidationError("There is an allowance for this already: change that one.")


class NewSiteAllowanceForm(NewAllowanceForm):
    """An allowance of the whole site, of any project, or of an API key."""

    project = forms.ModelChoiceField(
        Project.objects.all(),
        required=False,
        empty_label="Whole site",
        help_text="Of an API key: the project whose admins see and change its allowance.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind, subject = self.fields["kind"], self.fields["subject"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = AllowanceKind.choices
        subject.label = "API key or end user"
        subject.help_text = (
            "Id of the key, or the end user as the project's app names them. Empty under “End users”: each "
            "of them may use this much."
        )

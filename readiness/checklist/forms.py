"""Cleaning of what a person says about a criterion, and of what would be shipped."""

from typing import TYPE_CHECKING

from django import forms
from django.db.models import Q
from django.http import QueryDict

from readiness.checklist.models import Target
from readiness.checklist.services import TargetDetails
from readiness.datasets.models import DatasetVersion
from readiness.datasets.queries import versions_of as dataset_versions_of
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.prompts.queries import versions_of as prompt_versions_of
from readiness.providers.models import Deployment
from readiness.providers.queries import deployments_of

if TYPE_CHECKING:
    _DeploymentChoice = forms.ModelChoiceField[Deployment]
else:
    _DeploymentChoice = forms.ModelChoiceField  # generic for the type checker only


class AttestForm(forms.Form):
    """A person's word, with what it rests on."""

    note = forms.CharField(
        label="What do you vouch for, and what does it rest on?",
        min_length=20,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="At least 20 characters; name the document, the test or the person.",
    )


class CommentForm(forms.Form):
    """A note in the discussion."""

    text = forms.CharField(label="Note", max_length=5_000, widget=forms.Textarea(attrs={"rows": 3}))


class DeploymentField(_DeploymentChoice):
    """Deployments of different accounts often share a name."""

    def label_from_instance(self, obj: Deployment) -> str:
        return f"{obj.account.name} · {obj.name}"


class TargetForm(forms.Form):
    """What the project intends to ship."""

    deployment = DeploymentField(
        label="Model",
        queryset=None,
        required=False,
        empty_label="Not decided yet",
        help_text="The deployment that will answer.",
    )
    prompt_version: "forms.ModelChoiceField[PromptVersion]" = forms.ModelChoiceField(
        label="Prompt version", queryset=None, required=False, empty_label="Not decided yet"
    )
    dataset_version: "forms.ModelChoiceField[DatasetVersion]" = forms.ModelChoiceField(
        label="Dataset version",
        queryset=None,
        required=False,
        empty_label="Not decided yet",
        help_text="Your own examples, on which it has to prove itself.",
    )
    application_version = forms.CharField(
        label="Application version",
        max_length=64,
        required=False,
        help_text="Release or commit of the product. Reviews count from the moment it changes.",
    )

    def __init__(self, data: QueryDict | None = None, *, project: Project, target: Target) -> None:
        super().__init__(data, initial={name: getattr(target, name) for name in self.base_fields})
        querysets = {
            # A deployment that was switched off stays choosable while it is the target.
            "deployment": Deployment.objects.filter(
                Q(pk__in=deployments_of(project)) | Q(pk=target.deployment_id or 0)
            ).select_related("account"),
            "prompt_version": prompt_versions_of(project),
            "dataset_version": dataset_versions_of(project),
        }
        for name, queryset in querysets.items():
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = queryset

    def details(self) -> TargetDetails:
        """What was chosen; call it after ``is_valid``."""
        return TargetDetails(**self.cleaned_data)

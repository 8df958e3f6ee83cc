"""What a person fills in to start a benchmark."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django import forms
from django.forms.boundfield import BoundWidget
from django.utils import timezone

from readiness.benchmarks.services import BenchmarkPlan, ScorerChoice, scorer_choices
from readiness.datasets.models import DatasetVersion
from readiness.datasets.queries import versions_of as dataset_versions
from readiness.lib.money import nanos
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.prompts.queries import versions_of as prompt_versions
from readiness.providers.models import Deployment, ProviderKind
from readiness.providers.queries import DeploymentRow, deployments_of, prices_on
from readiness.scorers.base import Kind
from readiness.scorers.registry import SCORERS


class BenchmarkForm(forms.Form):
    """A plan: dataset version × deployments × prompt version × trials, and what scores it."""

    name = forms.CharField(max_length=120, help_text="How you will find this run again.")
    dataset_version = forms.ModelChoiceField(DatasetVersion.objects.none(), label="Dataset version")
    deployments = forms.ModelMultipleChoiceField(
        Deployment.objects.none(), label="Models to compare", widget=forms.CheckboxSelectMultiple
    )
    prompt_version = forms.ModelChoiceField(
        PromptVersion.objects.none(),
        label="Prompt version",
        required=False,
        help_text="Not needed for recorded outputs.",
    )
    scorers = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    judge = forms.ModelChoiceField(
        Deployment.objects.none(),
        label="Judge model",
        required=False,
        help_text="Asked for every answer when the judge scores. Its verdicts are advisory.",
    )
    trials = forms.IntegerField(
        min_value=1, max_value=10, initial=1, help_text="How often each model answers each example."
    )
    budget = forms.DecimalField(
        label="Budget (US dollars)",
        min_value=Decimal(0),
        max_digits=9,
        decimal_places=4,
        required=False,
        help_text="A hard limit, the judge included: the run stops before a call that could pass it.",
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._project = project
        usable = deployments_of(project).prefetch_related("price_overrides")
        self._choose("dataset_version", dataset_versions(project))
        self._choose("deployments", usable)
        self._choose("prompt_version", prompt_versions(project))
        self._choose("judge", usable.exclude(account__kind=ProviderKind.RECORDED))
        scorers = self.fields["scorers"]
        assert isinstance(scorers, forms.MultipleChoiceField)
        scorers.choices = [(spec.name, spec.title) for spec in SCORERS.values()]

    def _choose(self, name: str, rows: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._check_scorers(cleaned.get("scorers", []), cleaned.get("dataset_version"))
        if self._judged(cleaned.get("scorers", [])) and not cleaned.get("judge"):
            self.add_error("judge", "The judge scorer needs a judge model.")
        deployments = cleaned.get("deployments") or []
        live = any(d.account.kind != ProviderKind.RECORDED for d in deployments)
        if live and not cleaned.get("prompt_version"):
            self.add_error("prompt_version", "Choose the prompt version that the models shall be asked with.")
        return cleaned

    def _check_scorers(self, chosen: list[str], version: DatasetVersion | None) -> None:
        for choice in scorer_choices(version):
            if choice.missing and choice.spec.name in chosen:
                self.add_error("scorers", f"{choice.spec.title} cannot be used: {choice.missing}")

    def models(self) -> Iterator[tuple[BoundWidget, DeploymentRow]]:
        """Each deployment's checkbox with what a person needs to choose it by."""
        today = timezone.now().date()
        for box in self["deployments"]:
            deployment = box.data["value"].instance
            yield box, DeploymentRow(deployment=deployment, prices=prices_on(deployment, today))

    def scorer_choices(self) -> Iterator[tuple[BoundWidget, ScorerChoice]]:
        """Each scorer's checkbox with what it measures, and why it cannot be used if so."""
        version = self.cleaned_data.get("dataset_version") if self.is_bound else None
        yield from zip(self["scorers"], scorer_choices(version), strict=True)

    @staticmethod
    def _judged(chosen: list[str]) -> bool:
        return any(SCORERS[name].kind is Kind.JUDGE for name in chosen)

    def plan(self) -> BenchmarkPlan:
        """The cleaned form as a plan."""
        cleaned = self.cleaned_data
        budget = cleaned["budget"]
        return BenchmarkPlan(
            project=self._project,
            name=cleaned["name"],
            dataset_version=cleaned["dataset_version"],
            deployments=list(cleaned["deployments"]),
            prompt_version=cleaned["prompt_version"],
            scorers=cleaned["scorers"],
            judge=cleaned["judge"],
            trials=cleaned["trials"],
            budget_nanos=None if budget is None else nanos(budget),
        )


class BudgetForm(forms.Form):
    """More money for a run that stopped at its budget."""

    extra = forms.DecimalField(
        label="Add to the budget (US dollars)", min_value=Decimal("0.0001"), max_digits=9, decimal_places=4
    )

"""The policy of spot-checks as a form: money in US dollars, the share in percent."""

from decimal import Decimal
from typing import Any

from django import forms

from readiness.lib.money import nanos, usd
from readiness.projects.models import Project
from readiness.providers.models import Deployment, ProviderKind
from readiness.providers.queries import deployments_of
from readiness.quality.models import SpotCheckPolicy
from readiness.quality.services.policy import PolicyDetails


class _JudgeField(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """Deployments named with their account."""

    def label_from_instance(self, obj: Deployment) -> str:
        return f"{obj.account.name} · {obj.name}"


class PolicyForm(forms.Form):
    """How much of the traffic is spot-checked, by whom, for how much."""

    enabled = forms.BooleanField(label="Spot-check production answers", required=False)
    daily_minimum = forms.IntegerField(
        label="Answers a day, at least",
        min_value=0,
        max_value=100_000,
        help_text="Spread over the day (UTC). All answers are checked on days that have fewer.",
    )
    share_percent = forms.DecimalField(
        label="Share of the answers (%)",
        min_value=Decimal(0),
        max_value=Decimal(100),
        decimal_places=2,
        help_text="The larger of the two counts.",
    )
    judge = _JudgeField(
        queryset=Deployment.objects.none(),
        required=False,
        empty_label="No judge",
        help_text="Says whether the source supports the answer. Take a model of another family than the one "
        "it judges. Without a judge, support is not measured.",
    )
    daily_budget_usd = forms.DecimalField(
        label="Budget a day (US dollars)",
        min_value=Decimal(0),
        max_value=Decimal(100_000),
        decimal_places=6,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="Hard: no check is begun that could pass it. Judge and re-asking together.",
    )
    reask_count = forms.IntegerField(
        label="Re-asks per answer",
        min_value=0,
        max_value=10,
        help_text="The same question is asked again this often, to see whether the answers agree. 0: never.",
    )

    def __init__(self, *args: Any, project: Project, policy: SpotCheckPolicy, **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": _initial(policy), **kwargs})
        judges = deployments_of(project).exclude(account__kind=ProviderKind.RECORDED)
        judge = self.fields["judge"]
        assert isinstance(judge, _JudgeField)
        judge.queryset = judges

    def details(self) -> PolicyDetails:
        """The cleaned input; call it after ``is_valid``."""
        values = self.cleaned_data
        return PolicyDetails(
            enabled=values["enabled"],
            daily_minimum=values["daily_minimum"],
            share=float(values["share_percent"] / 100),
            judge=values["judge"],
            daily_budget_nanos=nanos(values["daily_budget_usd"]),
            reask_count=values["reask_count"],
        )


def _initial(policy: SpotCheckPolicy) -> dict[str, Any]:
    return {
        "enabled": policy.enabled,
        "daily_minimum": policy.daily_minimum,
        "share_percent": round(policy.share * 100, 2),
        "judge": policy.judge_id,
        "daily_budget_usd": f"{usd(policy.daily_budget_nanos):f}",
        "reask_count": policy.reask_count,
    }

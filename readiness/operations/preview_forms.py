"""Cleaning of an uploaded trace."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from readiness.operations.preview_traces import MAX_BYTES, MAX_ROWS, Trace, TraceError, read_trace
from readiness.projects.models import Tier
from readiness.providers.models import Deployment, ProviderKind

_PART = "part-"


if TYPE_CHECKING:
    _ChoiceOfDeployments = forms.ModelChoiceField[Deployment]
else:  # Django's own class takes no type arguments at run time
    _ChoiceOfDeployments = forms.ModelChoiceField


class _DeploymentField(_ChoiceOfDeployments):
    def label_from_instance(self, obj: Deployment) -> str:
        return f"{obj.account.name} · {obj.name}"


class TraceForm(forms.Form):
    """A trace with what its file does not say: which deployment is asked, and by which tiers."""

    file = forms.FileField(
        allow_empty_file=True,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.gz"}),
        help_text="CSV in UTF-8, also packed as .gz, with the columns t_s (seconds), input_tokens and "
        "output_tokens, and if you have them tier, tenant and end_user. "
        f"At most {MAX_BYTES // 1_000_000} MB; the first {MAX_ROWS:,} requests are replayed.",
    )
    deployment = _DeploymentField(
        Deployment.objects.exclude(account__kind=ProviderKind.RECORDED).select_related("account"),
        empty_label="Choose a deployment",
        help_text="Its quota, as it is now, is what the requests share.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for tier in Tier.objects.all():
            self.fields[_PART + tier.slug] = forms.IntegerField(
                label=tier.name, min_value=0, max_value=1000, initial=1
            )

    def parts(self) -> list[forms.BoundField]:
        """The fields of the mix, for the template."""
        return [self[name] for name in self.fields if name.startswith(_PART)]

    def mix(self) -> dict[str, int]:
        named = {name.removeprefix(_PART): value for name, value in self.cleaned_data.items()}
        return {tier: parts for tier, parts in named.items() if isinstance(parts, int) and parts}

    def clean(self) -> dict[str, Any]:
        file = self.cleaned_data.get("file")
        if file is None or self.errors:
            return self.cleaned_data
        if file.size > MAX_BYTES:
            raise ValidationError(
                f"“{file.name}” has more than {MAX_BYTES // 1_000_000} MB. Take a shorter stretch of it."
            )
        try:
            rows, left_out = read_trace(file.read())
        except TraceError as error:
            raise ValidationError(list(error.issues)) from None
        if not self.mix() and not all(row.tier for row in rows):
            raise ValidationError("Not every request of the file names a tier: give at least one a part.")
        known = set(Tier.objects.values_list("slug", flat=True))
        if unknown := sorted({row.tier for row in rows} - known - {""}):
            raise ValidationError(
                f"Nobody knows the tiers {', '.join(unknown[:5])} of the file. There are: "
                f"{', '.join(sorted(known))}. Rename them in the file, or leave the column out."
            )
        self.cleaned_data["trace"] = Trace(
            rows=rows,
            left_out=left_out,
            deployment_id=self.cleaned_data["deployment"].pk,
            mix=self.mix(),
        )
        return self.cleaned_data

    def trace(self) -> Trace:
        """Of a valid form."""
        trace: Trace = self.cleaned_data["trace"]
        return trace

    def trace_label(self) -> str:
        """File and deployment, for people."""
        return f"{self.cleaned_data['file'].name[:150]} at {self.cleaned_data['deployment']}"[:300]

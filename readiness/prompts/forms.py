"""Cleaning of what a person types into a prompt."""

from typing import Any

from django import forms

from readiness.prompts.rendering import PromptError, check


class PromptForm(forms.Form):
    """The name of a new prompt."""

    name = forms.CharField(
        max_length=100, help_text="What the prompt is for, e.g. “Answer from the handbook”."
    )


class VersionForm(forms.Form):
    """The texts and parameters of a new version."""

    system = forms.CharField(
        label="System text", required=False, strip=False, widget=forms.Textarea(attrs={"rows": 6})
    )
    user = forms.CharField(
        label="User text",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="Use {{ question }} and {{ source }} where the example's texts belong.",
    )
    temperature = forms.FloatField(min_value=0, max_value=2, initial=0, required=False)
    max_tokens = forms.IntegerField(
        label="Longest answer (tokens)",
        min_value=1,
        max_value=32_768,
        required=False,
        help_text="Empty: the deployment's own limit.",
    )
    note = forms.CharField(max_length=200, required=False, help_text="What changed, and why.")

    def clean_system(self) -> str:
        return self._checked("system")

    def clean_user(self) -> str:
        return self._checked("user")

    def _checked(self, field: str) -> str:
        text: str = self.cleaned_data[field]
        try:
            check(text)
        except PromptError as error:
            raise forms.ValidationError(str(error)) from error
        return text

    def parameters(self) -> dict[str, Any]:
        """The call parameters that were filled in."""
        names = ("temperature", "max_tokens")
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data[name] is not None}

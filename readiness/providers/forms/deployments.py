"""The form of a deployment."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms

from readiness.providers.base import Accounting
from readiness.providers.clients.dialects import INCLUDE_USAGE, MAX_TOKENS_NAMES, MAX_TOKENS_PARAMETER, OURS
from readiness.providers.forms.limits import LARGEST, LimitsForm
from readiness.providers.models import LIMITS, Deployment, ProviderAccount, ProviderKind
from readiness.providers.services import DeploymentFields, prices_of

ADVANCED = ("accounting", "window", "day_window", "zone", "edge_second", "jitter_ms")
"""How the provider counts; what is left empty stays as it is."""

_PARAMETERS_LIMIT = 10_000
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class DeploymentForm(LimitsForm):
    """A deployment with its quota and default parameters."""

    max_output_tokens = forms.IntegerField(
        label="Longest answer (tokens)",
        min_value=1,
        max_value=LARGEST,
        initial=512,
        help_text="Reserved from the quota for every request; a prompt version may ask for less.",
    )
    zone = forms.CharField(
        label="Time zone of its days",
        initial="UTC",
        max_length=64,
        help_text="Days that start afresh do so at midnight there, e.g. America/Los_Angeles.",
    )
    edge_second = forms.IntegerField(
        label="Second at which its minutes start",
        initial=0,
        min_value=0,
        max_value=59,
        error_messages=dict.fromkeys(("min_value", "max_value"), "A second of the minute: 0 to 59."),
        help_text="For minutes that start afresh; 0 if they start with the clock's.",
    )
    jitter_ms = forms.IntegerField(
        label="Variation on the way (milliseconds)",
        initial=500,
        min_value=0,
        max_value=60_000,
        error_messages=dict.fromkeys(("min_value", "max_value"), "From 0 to 60,000 milliseconds."),
        help_text=(
            "Windows that slide or start afresh are kept longer by this much, so that a call that travels "
            "faster than the one before it does not arrive in a window that is still full."
        ),
    )
    parameters = forms.JSONField(
        required=False,
        initial=dict,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=(
            'Sent with every call, as JSON: {"temperature": 0}. A prompt version\'s own win. Two switches '
            f'for servers that differ: "{MAX_TOKENS_PARAMETER}" ({" or ".join(MAX_TOKENS_NAMES)}) and '
            f'"{INCLUDE_USAGE}" (true or false).'
        ),
        error_messages={"invalid": 'This is not JSON. An example: {"temperature": 0}'},
    )

    class Meta:
        model = Deployment
        fields = [
            "name", "model", "max_output_tokens", *LIMITS, *ADVANCED, "parameters", "active",
        ]  # fmt: skip
        labels = {
            "active": "In use",
            "accounting": "How tokens are counted",
            "window": "How limits per minute come back",
            "day_window": "How limits per day come back",
        }
        help_texts = {
            "model": "Exactly as the provider spells it, e.g. gpt-4o-mini.",
            "active": "Without it no new call goes to this deployment; its results stay.",
        }

    def __init__(self, *args: Any, account: ProviderAccount, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        if self.instance.pk is None:
            del self.fields["active"]
            if account.kind == ProviderKind.ANTHROPIC:
                self.initial["accounting"] = Accounting.ANTHROPIC.value
        else:
            # The prices stand on the same page, and saving replaces them all.
            self.watch({**self.initial, "prices": [str(price) for price in prices_of(self.instance)]})
        for name in ADVANCED:
            self.fields[name].required = False

    @property
    def advanced_fields(self) -> list[forms.BoundField]:
        return self.bound(ADVANCED)

    @property
    def shows_advanced(self) -> bool:
        """Whether something there is wrong, or not as for most deployments."""
        usual = Deployment()
        return any(
            self[name].errors or str(self[name].value()) != str(getattr(usual, name)) for name in ADVANCED
        )

    def values(self) -> DeploymentFields:
        """The cleaned columns, as the services take them."""
        values = {name: self.cleaned_data[name] for name in self.Meta.fields if name in self.fields}
        return cast(DeploymentFields, values)

    def clean_zone(self) -> str:
        zone: str = self.cleaned_data["zone"]
        if zone and zone not in available_timezones():
            raise forms.ValidationError(
                f"There is no time zone {zone!r}. Write it as in America/Los_Angeles, or UTC."
            )
        return zone

    def clean_parameters(self) -> dict[str, Any]:
        parameters = self.cleaned_data["parameters"] or {}
        problem = parameters_problem(parameters)
        if problem:
            raise forms.ValidationError(problem)
        return dict(parameters)

    def clean_model(self) -> str:
        model: str = self.cleaned_data["model"]
        others = self.account.deployments.filter(model=model).exclude(pk=self.instance.pk)
        if others.exists():
            raise forms.ValidationError(
                "This account has a deployment of this model already, and both would share one quota. "
                "Change that one."
            )
        return model

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in ADVANCED:
            if name in cleaned and cleaned[name] in {None, ""}:
                cleaned[name] = self.get_initial_for_field(self.fields[name], name)
        self._check_counting(cleaned.get("accounting"))
        longest = cleaned.get("max_output_tokens")
        for name in ("tpm", "tpd"):
            if longest and cleaned.get(name) and cleaned[name] < longest:
                self.add_error(
                    name,
                    f"Every request reserves its longest answer, {longest:,} tokens: with fewer tokens than "
                    "that none would ever be let through.",
                )
        return cleaned

    def _check_counting(self, accounting: str | None) -> None:
        if accounting == Accounting.ANTHROPIC:
            self.refuse_limits(
                ("tpm", "tpd"),
                "This provider counts input and output apart: enter a limit for each of them, or choose "
                "another way of counting below.",
            )
        elif accounting == Accounting.OPENAI:
            self.refuse_limits(
                ("itpm", "otpm"),
                "This provider counts input and output together: enter tokens per minute, or choose another "
                "way of counting below.",
            )


def parameters_problem(parameters: object) -> str:
    """What is wrong with a deployment's parameters, in plain words; empty when nothing is."""
    if not isinstance(parameters, Mapping):
        return 'Write the parameters as a JSON object, e.g. {"temperature": 0}.'
    try:
        if len(json.dumps(parameters, allow_nan=False)) > _PARAMETERS_LIMIT:
            return f"The parameters are longer than {_PARAMETERS_LIMIT:,} characters."
    except ValueError:
        return "NaN and Infinity are no JSON values."
    if not _is_storable(parameters):
        return (
            "A text in the parameters has a character that cannot be stored: \\u0000, or one of \\ud800 to "
            "\\udfff alone. Take it out."
        )
    ours = sorted(OURS & parameters.keys())
    if ours:
        return f"{', '.join(ours)}: set by Readiness itself. The longest answer has a field of its own."
    if parameters.get(MAX_TOKENS_PARAMETER, MAX_TOKENS_NAMES[0]) not in MAX_TOKENS_NAMES:
        return f"{MAX_TOKENS_PARAMETER} is either {' or '.join(MAX_TOKENS_NAMES)}."
    if not isinstance(parameters.get(INCLUDE_USAGE, True), bool):
        return f"{INCLUDE_USAGE} is either true or false."
    return ""


def _is_storable(value: object) -> bool:
    """False for NUL and half a surrogate pair: JSON can write them, PostgreSQL's ``jsonb`` refuses both."""
    if isinstance(value, str):
        return "\0" not in value and not _LONE_SURROGATE.search(value)
    if isinstance(value, Mapping):
        return all(map(_is_storable, [*value.keys(), *value.values()]))
    return not isinstance(value, list) or all(map(_is_storable, value))

"""Cleaning of what an admin types about accounts, deployments and prices."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, cast
from urllib.parse import urlsplit

from django import forms

from readiness.projects.models import Project
from readiness.providers import services
from readiness.providers.addresses import AddressRefusedError, check_base_url, normalised
from readiness.providers.clients.dialects import INCLUDE_USAGE, MAX_TOKENS_NAMES, MAX_TOKENS_PARAMETER, OURS
from readiness.providers.models import Deployment, PriceUnit, ProviderAccount, ProviderKind
from readiness.providers.services import Price

_LARGEST = 2_147_483_647
_PARAMETERS_LIMIT = 10_000


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A provider account. The stored key is never put into the form, only taken from it."""

    kind = forms.ChoiceField(
        # Recorded accounts come into being with an import, never by hand.
        choices=[choice for choice in ProviderKind.choices if choice[0] != ProviderKind.RECORDED]
    )
    base_url = forms.CharField(
        label="Base URL",
        max_length=300,
        widget=forms.URLInput(attrs={"spellcheck": "false"}),
        help_text="What comes before /chat/completions in the provider's documentation.",
    )
    api_key = forms.CharField(
        label="API key",
        required=False,
        max_length=4000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    forget_key = forms.BooleanField(label="Remove the stored key", required=False)
    site_wide = forms.BooleanField(
        label="For every project of the site",
        required=False,
        help_text="All projects may call it; only site admins can change it.",
    )

    class Meta:
        model = ProviderAccount
        fields = ["name", "kind", "base_url"]
        help_texts = {"name": "How people here call it, e.g. “OpenAI, team account”."}

    def __init__(self, *args: Any, project: Project, may_change_site: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        self.has_key = bool(self.instance.credential_encrypted)
        if self.has_key:
            key_words = "A key is stored. Leave this empty to keep it, or enter a new one to replace it."
        else:
            key_words = (
                "Stored encrypted and never shown again. Leave it empty for a server that asks for none."
            )
        self.fields["api_key"].help_text = key_words
        for name in self._unneeded(may_change_site):
            del self.fields[name]

    def _unneeded(self, may_change_site: bool) -> set[str]:
        """Fields that this account has no use for."""
        is_new = self.instance.pk is None
        unneeded = set() if is_new else {"kind"}
        if not (is_new and may_change_site):
            unneeded.add("site_wide")
        if not self.has_key:
            unneeded.add("forget_key")
        if self.instance.kind == ProviderKind.RECORDED:
            unneeded |= {"base_url", "api_key", "forget_key"}
        return unneeded

    def clean_base_url(self) -> str:
        return normalised(self.cleaned_data["base_url"])

    def clean_api_key(self) -> str:
        key: str = self.cleaned_data["api_key"].strip()
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise forms.ValidationError("A key has no blanks and no special signs. Copy it again, alone.")
        return key

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "base_url" in cleaned:
            self._check_base_url(cleaned["base_url"])
        if self._name_taken(cleaned.get("name")):
            self.add_error("name", "There is an account of this name already. Choose another one.")
        return cleaned

    def _check_base_url(self, base_url: str) -> None:
        if self.instance.pk and base_url == self.initial["base_url"]:
            return
        if self.has_key and not self._new_key() and self._moves(base_url):
            # Else whoever may edit the account could have the key sent to a server of their own.
            self.add_error("api_key", "Enter the key again: a stored key is not sent to another server.")
        try:
            check_base_url(base_url)
        except AddressRefusedError as error:
            self.add_error("base_url", str(error))

    def _new_key(self) -> bool:
        return bool(self.cleaned_data.get("api_key") or self.cleaned_data.get("forget_key"))

    def _moves(self, base_url: str) -> bool:
        try:
            return _origin(base_url) != _origin(self.initial["base_url"])
        except ValueError:
            return True

    def _name_taken(self, name: str | None) -> bool:
        project = None if self.cleaned_data.get("site_wide") else self.project
        if self.instance.pk:
            project = self.instance.project
        others = ProviderAccount.objects.filter(project=project, name=name).exclude(pk=self.instance.pk)
        return bool(name) and others.exists()

    def key_change(self) -> str | None:
        """What ``update_account`` takes: None keeps the key, an empty text removes it, else the new one."""
        if self.cleaned_data.get("api_key"):
            return str(self.cleaned_data["api_key"])
        return "" if self.cleaned_data.get("forget_key") else None


def _origin(base_url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(base_url)
    return parts.scheme, parts.hostname, parts.port


def _quota(label: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=_LARGEST,
        error_messages={
            "min_value": "Leave empty for no limit, or at least 1.",
            "max_value": f"At most {_LARGEST:,}; leave empty for no limit.",
            "invalid": "Enter a whole number, or leave empty for no limit.",
        },
    )


class DeploymentForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A deployment with its quota and default parameters."""

    max_output_tokens = forms.IntegerField(
        label="Longest answer (tokens)",
        min_value=1,
        max_value=_LARGEST,
        initial=512,
        help_text="Reserved from the quota for every request; a prompt version may ask for less.",
    )
    rpm = _quota("Requests per minute")
    tpm = _quota("Tokens per minute")
    rpd = _quota("Requests per day")
    concurrency = _quota("Calls in flight")
    parameters = forms.JSONField(
        required=False,
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
            "name", "model", "max_output_tokens", "rpm", "tpm", "rpd", "concurrency", "parameters", "active",
        ]  # fmt: skip
        labels = {"active": "In use"}
        help_texts = {
            "model": "Exactly as the provider spells it, e.g. gpt-4o-mini.",
            "active": "Without it no new call goes to this deployment; its results stay.",
        }

    def __init__(self, *args: Any, account: ProviderAccount, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        if self.instance.pk is None:
            del self.fields["active"]

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
        longest, tpm = cleaned.get("max_output_tokens"), cleaned.get("tpm")
        if longest and tpm and tpm < longest:
            self.add_error(
                "tpm",
                f"Every request reserves its longest answer, {longest:,} tokens: with fewer tokens per "
                "minute none would ever be let through.",
            )
        return cleaned


def parameters_problem(parameters: object) -> str:
    """What is wrong with a deployment's parameters, in plain words; empty when nothing is."""
    if not isinstance(parameters, Mapping):
        return 'Write the parameters as a JSON object, e.g. {"temperature": 0}.'
    try:
        if len(json.dumps(parameters, allow_nan=False)) > _PARAMETERS_LIMIT:
            return f"The parameters are longer than {_PARAMETERS_LIMIT:,} characters."
    except ValueError:
        return "NaN and Infinity are no JSON values."
    ours = sorted(OURS & parameters.keys())
    if ours:
        return f"{', '.join(ours)}: set by Readiness itself. The longest answer has a field of its own."
    if parameters.get(MAX_TOKENS_PARAMETER, MAX_TOKENS_NAMES[0]) not in MAX_TOKENS_NAMES:
        return f"{MAX_TOKENS_PARAMETER} is either {' or '.join(MAX_TOKENS_NAMES)}."
    if not isinstance(parameters.get(INCLUDE_USAGE, True), bool):
        return f"{INCLUDE_USAGE} is either true or false."
    return ""


class PriceForm(forms.Form):
    """One price override."""

    unit = forms.ChoiceField(choices=[("", "Choose a unit"), *PriceUnit.choices])
    usd_per_million = forms.DecimalField(
        label="USD per million", min_value=0, max_digits=14, decimal_places=6
    )
    effective_from = forms.DateField(label="From (UTC day)", widget=forms.DateInput(attrs={"type": "date"}))


class PriceFormSet(forms.BaseFormSet):  # type: ignore[type-arg]  # generic for the checker only
    """All overrides of one deployment; what is posted replaces what is stored."""

    def clean(self) -> None:
        if any(self.errors):
            return
        seen: set[tuple[str, date]] = set()
        for price in self.prices():
            if (price.unit, price.effective_from) in seen:
                raise forms.ValidationError("Two prices for one unit start on one day. Remove one of them.")
            seen.add((price.unit, price.effective_from))

    def prices(self) -> list[Price]:
        """The rows that are filled in and not marked for deletion."""
        rows = [form.cleaned_data for form in self.forms if form not in self.deleted_forms]
        return [
            Price(row["unit"], row["usd_per_million"], row["effective_from"])
            for row in rows
            if row.get("unit")
        ]


_formset = forms.formset_factory(
    PriceForm,
    formset=PriceFormSet,
    extra=2,
    can_delete=True,
    can_delete_extra=False,
    max_num=200,
    absolute_max=200,
)


def price_formset(data: Mapping[str, Any] | None, deployment: Deployment | None = None) -> PriceFormSet:
    """The overrides of the deployment for editing, with two empty rows for new ones."""
    stored = services.prices_of(deployment) if deployment else []
    return cast(PriceFormSet, _formset(data, prefix="prices", initial=[asdict(price) for price in stored]))

"""The form of a provider account."""

from typing import Any
from urllib.parse import urlsplit

from django import forms

from readiness.projects.models import Project
from readiness.providers.addresses import AddressRefusedError, check_base_url, normalised
from readiness.providers.forms.limits import LimitsForm
from readiness.providers.models import LIMITS, ProviderAccount, ProviderKind


class AccountForm(LimitsForm):
    """A provider account with the limits that hold for all of it.

    The stored key is never put into the form, only taken from it.
    """

    kind = forms.ChoiceField(
        # Recorded accounts come into being with an import, never by hand.
        choices=[choice for choice in ProviderKind.choices if choice[0] != ProviderKind.RECORDED]
    )
    base_url = forms.CharField(
        label="Base URL",
        max_length=300,
        widget=forms.URLInput(attrs={"spellcheck": "false"}),
        help_text="What comes before /chat/completions or /messages in the provider's documentation.",
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
        fields = ["name", "kind", "base_url", *LIMITS]
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
        if self.instance.pk:
            self.watch({**self.initial, "credential": bytes(self.instance.credential_encrypted)})

    def _unneeded(self, may_change_site: bool) -> set[str]:
        """Fields that this account has no use for."""
        is_new = self.instance.pk is None
        unneeded = set() if is_new else {"kind"}
        if not (is_new and may_change_site):
            unneeded.add("site_wide")
        if not self.has_key:
            unneeded.add("forget_key")
        if self.instance.kind == ProviderKind.RECORDED:
            unneeded |= {"base_url", "api_key", "forget_key", *LIMITS}
        return unneeded

    @property
    def account_fields(self) -> list[forms.BoundField]:
        """All but the limits."""
        return self.bound(name for name in self.fields if name not in LIMITS)

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
        self._check_limits()
        if self._name_taken(cleaned.get("name")):
            self.add_error("name", "There is an account of this name already. Choose another one.")
        if self.errors and cleaned.get("api_key"):
            # Else the key that was typed would be missing, unnoticed, when the rest is sent again.
            self.add_error("api_key", "Enter the key again: it is never sent back to a page.")
        return cleaned

    def _check_limits(self) -> None:
        kind = self.cleaned_data.get("kind", self.instance.kind)
        counts_apart = self.cleaned_data.get("itpm") or self.cleaned_data.get("otpm")
        if kind == ProviderKind.ANTHROPIC:
            self.refuse_limits(
                ("tpm", "tpd"), "Anthropic counts input and output apart: enter a limit for each of them."
            )
        elif counts_apart:
            self.refuse_limits(
                ("tpm", "tpd"), "Enter limits for all tokens together, or for input and output, not both."
            )

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

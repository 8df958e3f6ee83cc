"""The limits of a provider, on the forms of accounts and of deployments."""

from collections.abc import Iterable
from typing import cast

from django import forms

from readiness.lib.forms import WatchfulForm
from readiness.providers.models import LIMITS
from readiness.providers.services import LimitFields

LARGEST = 2_147_483_647
_LARGEST_DAY = 2**53 - 1
"""A day's tokens may be more than 32 bits hold; beyond this, Redis' numbers are no longer exact."""


def _limit(label: str, largest: int = LARGEST) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=largest,
        error_messages={
            "min_value": "Leave empty for no limit, or at least 1.",
            "max_value": f"At most {largest:,}; leave empty for no limit.",
            "invalid": "Enter a whole number, or leave empty for no limit.",
        },
    )


class LimitsForm(WatchfulForm, forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """What the forms of accounts and of deployments share."""

    rpm = _limit("Requests per minute")
    tpm = _limit("Tokens per minute")
    rpd = _limit("Requests per day")
    tpd = _limit("Tokens per day", _LARGEST_DAY)
    itpm = _limit("Input tokens per minute")
    otpm = _limit("Output tokens per minute")
    concurrency = _limit("Calls in flight")

    def bound(self, names: Iterable[str]) -> list[forms.BoundField]:
        """The fields of these names that the form has, for a template."""
        return [self[name] for name in names if name in self.fields]

    @property
    def limit_fields(self) -> list[forms.BoundField]:
        return self.bound(LIMITS)

    def limits(self) -> LimitFields:
        """The cleaned limits, as the services take them."""
        values = {name: self.cleaned_data[name] for name in LIMITS if name in self.fields}
        return cast(LimitFields, values)

    def refuse_limits(self, names: Iterable[str], words: str) -> None:
        """Marks each of these limits that was entered."""
        for name in names:
            if self.cleaned_data.get(name):
                self.add_error(name, words)

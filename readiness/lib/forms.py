"""Forms that do not overwrite what their sender has not seen."""

import hashlib
from collections.abc import Mapping
from copy import copy
from typing import Any

from django import forms

CHANGED_MEANWHILE = (
    "Somebody changed this while you had it open. Nothing was saved, and what you typed is still here. Open "
    "the page anew to see what holds now, or save once more to overwrite their change."
)


class WatchfulForm(forms.BaseForm):
    """A form that carries a digest of what its page showed, and tells when that has changed since.

    The browser sends the digest back as ``seen``. A post without it was made by no page: it is not compared.
    """

    def watch(self, shown: Mapping[str, object]) -> None:
        """Call it at the end of ``__init__``. ``shown``: all stored values that saving would overwrite.

        Their ``repr`` must say the same at each reading: no row, no memoryview.
        """
        self.fields["seen"] = forms.CharField(widget=forms.HiddenInput, required=False)
        self.initial = {**self.initial, "seen": _digest(shown)}

    def clean_seen(self) -> str:
        """Refuses to overwrite what the sender has not seen; sent again, it is meant."""
        stored: str = self.initial["seen"]
        if self.cleaned_data["seen"] not in ("", stored):
            # What is posted cannot be written to, and the page shows the form with the digest of its data.
            data: Any = copy(self.data)
            data[self.add_prefix("seen")] = stored
            self.data = data
            self.add_error(None, CHANGED_MEANWHILE)
        return stored


def _digest(values: Mapping[str, object]) -> str:
    return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:16]

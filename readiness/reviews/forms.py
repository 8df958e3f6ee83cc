"""Input of a reviewer, and the filter of the history."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from readiness.reviews.models import ItemState, Reason, ReviewItem, Stream, Verdict

LONGEST_NOTE = 2_000
LONGEST_ANSWER = 50_000


class VerdictForm(forms.Form):
    """One verdict: a rejection needs a reason, a correction a text that differs from the answer."""

    token = forms.CharField(max_length=32)
    verdict = forms.ChoiceField(
        choices=[(v.value, v.label) for v in (Verdict.APPROVE, Verdict.REJECT, Verdict.CORRECT)]
    )
    reason = forms.ChoiceField(choices=[("", "–"), *Reason.choices], required=False)
    note = forms.CharField(max_length=LONGEST_NOTE, required=False)
    corrected_output = forms.CharField(max_length=LONGEST_ANSWER, required=False, strip=False)

    def __init__(self, *args: Any, item: ReviewItem, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.item = item

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        verdict = values.get("verdict")
        # Browsers send line ends as CR LF; the answer has them as the model wrote them.
        values["corrected_output"] = values.get("corrected_output", "").replace("\r\n", "\n")
        if verdict == Verdict.REJECT:
            values["corrected_output"] = ""
            self._check_rejection(values)
        elif verdict == Verdict.CORRECT:
            values["reason"] = ""
            self._check_correction(values["corrected_output"])
        else:
            values["reason"] = values["corrected_output"] = ""
        return values

    def _check_rejection(self, values: dict[str, Any]) -> None:
        if not values.get("reason") and "reason" not in self.errors:
            raise ValidationError("A rejection needs a reason: choose one.")
        if values.get("reason") == Reason.OTHER and not values.get("note"):
            raise ValidationError("Say in the note what is wrong, or choose another reason.")

    def _check_correction(self, text: str) -> None:
        if not text.strip():
            raise ValidationError(
                "A correction cannot be empty. Reject the answer if nothing of it is right."
            )
        if text.strip() == self.item.output.replace("\r\n", "\n").strip():
            raise ValidationError("Nothing was changed. Approve the answer if it is right as it is.")


class HistoryFilter(forms.Form):
    """Narrows the list of items; whatever does not exist is ignored."""

    state = forms.ChoiceField(choices=[("", "All states"), *ItemState.choices], required=False)
    stream = forms.ChoiceField(choices=[("", "Both streams"), *Stream.choices], required=False)
    text = forms.CharField(
        label="Search",
        max_length=100,
        required=False,
        widget=forms.SearchInput(attrs={"placeholder": "in question or answer"}),
    )

    def chosen(self) -> dict[str, str]:
        """The valid choices."""
        self.is_valid()
        return dict(self.cleaned_data)

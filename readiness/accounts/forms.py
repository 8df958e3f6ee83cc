"""Input of the sign-in page, the audit log's filter and the people page."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from readiness.accounts import throttle
from readiness.accounts.models import AuditEntry, User


class SignInForm(AuthenticationForm):
    """Username and password; refuses further guesses after too many wrong ones."""

    error_messages = {
        "invalid_login": "Wrong username or password. Capital letters matter in both.",
        "inactive": "This account was deactivated. Ask a site admin.",
        "blocked": "Too many wrong passwords. Wait 15 minutes, or ask a site admin for a new password.",
    }
    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username", "")
        address = self.request.META.get("REMOTE_ADDR", "")
        if throttle.is_blocked(username, address):
            raise ValidationError(self.error_messages["blocked"], code="blocked")
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            throttle.note_failure(username, address)
            raise
        if self.get_user():
            throttle.forget_failures(username, address)
        return cleaned


class AuditFilterForm(forms.Form):
    """Narrows the audit log to kinds that occur in it; every field may stay empty."""

    person = forms.CharField(required=False, max_length=150)
    kind = forms.ChoiceField(required=False, label="What was changed")
    since = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, entries: QuerySet[AuditEntry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = entries.order_by("object_type").values_list("object_type", flat=True).distinct()
        field = self.fields["kind"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Anything"), *((kind, kind.capitalize()) for kind in kinds)]


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A new person; the password is made by us."""

    is_superuser = forms.BooleanField(
        required=False,
        label="Site admin",
        help_text="Manages people, providers and tiers of the whole site, and every project in it.",
    )

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "is_superuser"]
        help_texts = {"username": "Letters, digits and @ . + - _"}

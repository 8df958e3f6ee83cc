"""The price overrides of a deployment."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, cast

from django import forms

from readiness.providers import services
from readiness.providers.models import Deployment, PriceUnit
from readiness.providers.services import Price


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
    # What is posted stands alone: beside prices that were stored meanwhile, a row that was left empty would
    # count as changed, and one that is typed anew as unchanged.
    stored = services.prices_of(deployment) if deployment and data is None else []
    return cast(PriceFormSet, _formset(data, prefix="prices", initial=[asdict(price) for price in stored]))

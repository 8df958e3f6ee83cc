"""A form tells when what it changes was changed since its page was shown."""

from collections.abc import Mapping

import pytest
from django import forms
from django.http import QueryDict

from readiness.lib.forms import CHANGED_MEANWHILE, WatchfulForm


class _Form(WatchfulForm, forms.Form):
    rpm = forms.IntegerField()

    def __init__(self, data: Mapping[str, str] | None, stored: int, prefix: str | None = None) -> None:
        super().__init__(data, initial={"rpm": stored}, prefix=prefix)
        self.watch(self.initial)


def _posted(seen: str) -> QueryDict:
    data = QueryDict(mutable=True)
    data.update({"rpm": "90", "seen": seen})
    return data


def _shown(stored: int) -> str:
    return str(_Form(None, stored)["seen"].value())


def test_form_is_taken_when_nothing_changed() -> None:
    assert _Form(_posted(_shown(60)), 60).is_valid()


def test_form_of_no_page_is_taken() -> None:
    assert _Form({"rpm": "90"}, 60).is_valid()


def test_form_is_refused_with_what_was_typed_and_taken_when_sent_again() -> None:
    posted = _posted(_shown(60))
    form = _Form(posted, 50)

    assert form.non_field_errors() == [CHANGED_MEANWHILE]
    assert form["rpm"].value() == "90"
    assert posted["seen"] == _shown(60)
    again = {"rpm": "90", "seen": str(form["seen"].value())}
    assert _Form(again, 50).is_valid()
    assert not _Form(again, 40).is_valid()


@pytest.mark.parametrize("prefix", [None, "quota"])
def test_refused_form_carries_the_new_digest_under_its_prefix(prefix: str | None) -> None:
    start = f"{prefix}-" if prefix else ""
    form = _Form({f"{start}rpm": "90", f"{start}seen": _shown(60)}, 50, prefix)

    assert not form.is_valid()
    assert form["seen"].value() == _shown(50)
    assert f'<input type="hidden" name="{start}seen"' in str(form["seen"])

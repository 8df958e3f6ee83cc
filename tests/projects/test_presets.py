"""The categories that a new project can start from."""

import pytest

from readiness.projects.models import Category
from readiness.projects.presets import PRESETS, preset_of


def test_presets_name_every_category_once():
    assert [preset.category for preset in PRESETS] == list(Category)


def test_presets_give_use_cases_for_every_category_but_the_open_one():
    assert [preset.category for preset in PRESETS if not preset.use_cases] == [Category.CUSTOM]


def test_use_cases_fit_their_column():
    assert max(len(use_case) for preset in PRESETS for use_case in preset.use_cases) <= 200


@pytest.mark.parametrize("category", ["", "smell"])
def test_preset_of_an_unknown_category_is_none(category):
    assert preset_of(category) is None

"""The tiers that a new site starts with."""

import importlib

import pytest
from django.apps import apps

from readiness.projects.models import Tier

migration = importlib.import_module("readiness.projects.migrations.0002_default_tiers")


@pytest.mark.django_db
def test_default_tiers_have_the_weights_of_the_design():
    Tier.objects.all().delete()
    migration.add_default_tiers(apps, None)
    assert dict(Tier.objects.values_list("slug", "weight")) == {
        "enterprise": 16,
        "pro": 4,
        "free": 1,
        "benchmark": 1,
    }


@pytest.mark.django_db
def test_default_tiers_leave_a_changed_one_alone():
    Tier.objects.all().delete()
    Tier.objects.create(slug="free", name="Trial", weight=2)
    migration.add_default_tiers(apps, None)
    assert Tier.objects.get(slug="free").weight == 2

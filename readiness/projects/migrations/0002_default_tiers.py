"""The tiers that a new site starts with; admins change them on the tier pages."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TIERS = [
    {"slug": "enterprise", "name": "Enterprise", "weight": 16, "longest_wait_seconds": 60},
    {"slug": "pro", "name": "Pro", "weight": 4, "longest_wait_seconds": 60},
    {"slug": "free", "name": "Free", "weight": 1, "longest_wait_seconds": 60},
    # A run has no person waiting for it, so it may stand in the queue for an hour.
    {"slug": "benchmark", "name": "Benchmark", "weight": 1, "longest_wait_seconds": 3600},
]


def add_default_tiers(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Tier = apps.get_model("projects", "Tier")
    for tier in TIERS:
        Tier.objects.get_or_create(slug=tier["slug"], defaults=tier)


class Migration(migrations.Migration):
    dependencies = [("projects", "0001_initial")]
    operations = [migrations.RunPython(add_default_tiers, migrations.RunPython.noop)]

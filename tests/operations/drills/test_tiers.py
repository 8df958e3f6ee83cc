"""Which tiers a drill is held on."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.utils import timezone

from readiness.operations import drill_services
from readiness.operations.drill_queries import Report, is_of_today, tiers_now
from readiness.operations.drill_services import hold_drill, start_drill
from readiness.operations.drills.arena import Outcome
from readiness.projects.models import Project, Tier, TierOverride

pytestmark = pytest.mark.django_db


@pytest.fixture
def tiers(project: Project) -> None:
    """Two tiers, of which the project has the lighter one otherwise."""
    Tier.objects.all().delete()
    Tier.objects.create(slug="pro", name="Pro", weight=4, longest_wait_seconds=60)
    free = Tier.objects.create(slug="free", name="Free", weight=1, longest_wait_seconds=60)
    TierOverride.objects.create(tier=free, project=project, weight=9, tokens_per_minute=500)
    TierOverride.objects.create(tier=free, project=project, end_user="ada", weight=99)


def shares(tiers: list[Mapping[str, Any]]) -> list[tuple[str, int, int, int | None]]:
    return [
        (tier["slug"], tier["weight"], tier["longest_wait_seconds"], tier["tokens_per_minute"])
        for tier in tiers
    ]


@pytest.mark.usefixtures("tiers")
def test_tiers_of_a_project_are_what_its_overrides_make_of_them(project: Project) -> None:
    assert shares(tiers_now(project)) == [("free", 9, 60, 500), ("pro", 4, 60, None)]
    assert shares(tiers_now()) == [("pro", 4, 60, None), ("free", 1, 60, None)]


@pytest.mark.usefixtures("tiers")
@pytest.mark.parametrize("of_project", [True, False])
def test_drill_is_held_on_the_tiers_of_its_project(
    project: Project, monkeypatch: pytest.MonkeyPatch, of_project: bool
) -> None:
    given: list[Mapping[str, Any]] = []

    def hold(name: str, *, tiers: list[Mapping[str, Any]], **_: object) -> Outcome:
        given.extend(tiers)
        return Outcome(findings=[], moments=[])

    monkeypatch.setattr(drill_services, "hold", hold)
    whose = project if of_project else None
    report = start_drill(name="contention", project=whose, actor=None, now=timezone.now())
    hold_drill(report_id=report.pk)
    report.refresh_from_db()

    assert given == report.tiers == tiers_now(whose)
    assert is_of_today(Report(report))
    assert is_of_today(Report(report), project) is of_project

"""The seeded demo: everything is measured, nothing twice, and the checklist shows what was promised."""

from collections.abc import Mapping

import pytest
from django.apps import apps
from django.utils import timezone

from readiness.accounts.models import User
from readiness.checklist.queries import CriterionView, verdicts
from readiness.checklist.statuses import Status
from readiness.demo.content import Size
from readiness.demo.services import NotSeededError, seed
from readiness.demo.setup import Demo
from readiness.evaluations.models import Run, RunState
from readiness.inference.models import LoggedAnswer
from readiness.projects.models import Project
from readiness.quality.models import SpotCheck
from readiness.reviews.models import Decision
from readiness.telemetry.models import RequestRecord

TINY = Size(answers=12, pilot_per_stratum=1, compared_per_stratum=1)
LARGE_ENOUGH = Size(answers=30, pilot_per_stratum=1, compared_per_stratum=13)
"""The fewest questions at which a 95th percentile has a bound."""


def row_counts() -> Mapping[str, int]:
    models = [model for model in apps.get_models() if model.__module__.startswith("readiness.")]
    return {model._meta.label: model._base_manager.count() for model in models}


def criteria() -> Mapping[str, CriterionView]:
    return verdicts(Project.objects.get(is_demo=True), timezone.now()).views


def test_seed_decides_all_that_needs_no_drill_and_shows_each_kind_of_status(site: None) -> None:
    seed(LARGE_ENOUGH)
    found = criteria()
    statuses = {name: view.judgement.status for name, view in found.items() if view.criterion.measured}
    # How fast answers arrive depends on the machine; whether the sample is too small does not.
    runtime = {part.rule.name: part.status for part in found["M5"].judgement.parts}
    assert runtime["errors"] is Status.UNDECIDED
    del statuses["M5"]
    drills = {name: statuses.pop(name) for name in ("I6", "R3", "R4", "R7")}
    assert set(drills.values()) == {Status.UNKNOWN}
    assert statuses == {
        "M1": Status.ATTESTED,
        "M3": Status.STALE,
        "M6": Status.PASS,
        "Q4": Status.FAIL,
        "Q8": Status.FAIL,
        "R2": Status.PASS,
        "R6": Status.PASS,
    }
    assert found["M3"].judgement.moved == ("D",)


def test_seed_makes_what_a_newcomer_is_shown(site: None) -> None:
    seed(TINY)
    assert set(Run.objects.values_list("state", flat=True)) == {RunState.DONE}
    assert LoggedAnswer.objects.count() == SpotCheck.objects.filter(state="done").count() == TINY.answers
    notes = Decision.objects.values_list("note", flat=True)
    assert notes
    assert all(note.startswith("Written when the demo was made") for note in notes)
    assert User.objects.get(username="alice").check_password("a-demo-password")


def test_every_call_of_the_seeding_is_recorded_and_marked_simulated(site: None) -> None:
    seed(TINY)
    answered = RequestRecord.objects.filter(outcome="ok")
    cells = sum(run.cells.count() for run in Run.objects.all())
    # Pilot: answer and verdict per cell; spot-check: verdict and one more answer.
    assert answered.count() == cells + 18 + 3 * TINY.answers
    assert not answered.filter(simulated=False).exists()


def test_second_seed_changes_nothing(site: None) -> None:
    assert seed(TINY)
    before = row_counts()
    assert not seed(TINY)
    assert row_counts() == before


def test_seed_goes_on_where_an_earlier_one_was_cut_short(demo: Demo) -> None:
    assert seed(TINY)
    assert Project.objects.get() == demo.project
    assert User.objects.filter(username="alice").count() == 1


def test_seed_without_password_says_what_to_set(site: None, settings: pytest.FixtureRequest) -> None:
    settings.DEMO_PASSWORD = ""
    with pytest.raises(NotSeededError, match="READINESS_DEMO_PASSWORD"):
        seed(TINY)
    assert not User.objects.exists()

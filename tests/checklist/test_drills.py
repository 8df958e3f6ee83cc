"""What drills are evidence for, on reports that are made by hand."""

from datetime import timedelta
from decimal import Decimal

import pytest

from readiness.checklist.models import Evidence
from readiness.checklist.queries import verdicts
from readiness.checklist.rules import Judgement
from readiness.checklist.services import gather_evidence
from readiness.checklist.statuses import Status
from readiness.projects.models import Allowance, AllowanceKind, Tier
from tests.checklist.builders import NOW
from tests.checklist.rows import make_target
from tests.operations.drill_support import held

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

OVERLOAD = {"crashes": 0, "wait": 0.8, "overflowing": 90, "overflow": 1.0}
CONTENTION = {"wait_ratio": 0.2, "bottom_share": 0.06}
OVER_CAP = {"over": 56, "refused": 1.0, "output_cap": 1}


def judged(project, criterion: str) -> Judgement:
    gather_evidence(project, NOW)
    return verdicts(project, NOW).views[criterion].judgement


def values(judgement: Judgement) -> dict[str, float | None]:
    return {part.rule.name: part.part.value for part in judgement.parts if part.part}


@pytest.fixture
def capped(project) -> None:
    """A budget on each of whole site, project, API keys and end users."""
    subjects = [
        {"kind": AllowanceKind.ALL},
        {"kind": AllowanceKind.ALL, "project": project},
        {"kind": AllowanceKind.API_KEY, "subject": "k1", "project": project},
        {"kind": AllowanceKind.END_USER, "project": project},
    ]
    for subject in subjects:
        Allowance.objects.create(usd_per_day=Decimal(5), **subject)


@pytest.mark.parametrize(
    ("criterion", "figures", "expected"),
    [
        ("R3", {"overload": OVERLOAD}, Status.PASS),
        ("R3", {"overload": OVERLOAD | {"crashes": 1}}, Status.FAIL),
        ("R3", {"overload": OVERLOAD | {"wait": 1.01}}, Status.FAIL),
        ("R3", {"overload": OVERLOAD | {"overflow": 0.94}}, Status.FAIL),
        ("R3", {"overload": OVERLOAD | {"overflowing": 0, "overflow": 0.0}}, Status.UNKNOWN),
        ("R3", {"contention": CONTENTION}, Status.UNKNOWN),
        ("R4", {"contention": CONTENTION}, Status.PASS),
        ("R4", {"contention": CONTENTION | {"wait_ratio": 0.51}}, Status.FAIL),
        ("R4", {"contention": CONTENTION | {"bottom_share": 0.04}}, Status.FAIL),
        ("R7", {"billing": {"alert": 1}}, Status.UNKNOWN),
        ("R7", {"over-cap": OVER_CAP}, Status.UNKNOWN),
        ("R7", {"over-cap": OVER_CAP, "billing": {"alert": 1}}, Status.PASS),
        ("R7", {"over-cap": OVER_CAP | {"refused": 0.98}, "billing": {"alert": 1}}, Status.FAIL),
        ("R7", {"over-cap": OVER_CAP | {"output_cap": 0}, "billing": {"alert": 1}}, Status.FAIL),
        ("R7", {"over-cap": OVER_CAP, "billing": {"alert": 0}}, Status.FAIL),
        ("I6", {"worker-kill": {"unrecorded": 0, "lost": 0}, "outage": {"lost": 0}}, Status.PASS),
        ("I6", {"worker-kill": {"unrecorded": 1, "lost": 0}, "outage": {"lost": 0}}, Status.FAIL),
        ("I6", {"worker-kill": {"unrecorded": 0, "lost": 0}}, Status.UNKNOWN),
    ],
)
@pytest.mark.usefixtures("capped")
def test_figures_of_drills_decide(project, criterion, figures, expected):
    make_target(project)
    for name, found in figures.items():
        held(name, found, at=NOW)

    assert judged(project, criterion).status is expected


def test_budgets_that_are_not_in_force_are_named(project):
    make_target(project)
    Allowance.objects.create(kind=AllowanceKind.ALL, project=project, usd_per_month=Decimal(5))
    held("over-cap", OVER_CAP, at=NOW)
    judgement = judged(project, "R7")
    (caps,) = (part for part in judgement.parts if part.rule.name == "caps")

    assert caps.status is Status.FAIL
    assert caps.part is not None
    assert (caps.part.value, caps.part.note) == (1, "none on API keys, end users, the site")


def test_budget_that_was_taken_away_is_noticed(project, capped):
    make_target(project)
    held("over-cap", OVER_CAP, at=NOW)
    held("billing", {"alert": 1}, at=NOW)
    assert judged(project, "R7").status is Status.PASS
    Allowance.objects.filter(project=None).delete()

    assert judged(project, "R7").status is Status.FAIL


def test_evidence_leads_to_its_report_and_is_marked_simulated(project):
    make_target(project)
    report = held("contention", CONTENTION, project=project, at=NOW)
    gather_evidence(project, NOW)
    evidence = Evidence.objects.get(criterion="R4")

    assert evidence.simulated
    assert evidence.link == f"/p/handbook/limits/drills/{report.pk}/"
    assert evidence.measured_at == NOW


def test_drill_on_other_tiers_is_stale(project):
    make_target(project)
    held("contention", CONTENTION, at=NOW)
    Tier.objects.create(slug="new", name="New", weight=2)
    judgement = judged(project, "R4")

    assert (judgement.status, judgement.moved) == (Status.STALE, ("L",))


def test_tiers_that_change_after_it_was_gathered_make_it_stale(project):
    make_target(project)
    held("contention", CONTENTION, at=NOW)
    tier = Tier.objects.create(slug="new", name="New", weight=2)
    assert judged(project, "R4").status is Status.STALE
    tier.delete()

    assert judged(project, "R4").status is Status.PASS


def test_overload_of_an_earlier_release_is_stale(project):
    make_target(project, application_version="2.0", version_since=NOW)
    held("overload", OVERLOAD, at=NOW)
    judgement = judged(project, "R3")

    assert (judgement.status, judgement.moved) == (Status.STALE, ("V",))


def test_old_drill_of_budgets_is_stale(project, capped):
    make_target(project)
    for name, found in (("over-cap", OVER_CAP), ("billing", {"alert": 1})):
        held(name, found, at=NOW - timedelta(days=31))

    assert judged(project, "R7").status is Status.STALE


def test_same_reports_are_no_new_evidence(project):
    make_target(project)
    held("contention", CONTENTION, at=NOW)
    gather_evidence(project, NOW)

    assert "R4" not in {row.criterion for row in gather_evidence(project, NOW + timedelta(hours=1))}


def test_figures_are_those_of_the_newest_report(project):
    make_target(project)
    held("contention", CONTENTION, at=NOW - timedelta(hours=1))
    held("contention", CONTENTION | {"wait_ratio": 0.3}, at=NOW)

    assert values(judged(project, "R4"))["wait_ratio"] == 0.3

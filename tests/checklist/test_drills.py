"""What drills are evidence for, on reports that are made by hand."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from readiness.checklist.models import Evidence
from readiness.checklist.queries import verdicts
from readiness.checklist.rules import Judgement
from readiness.checklist.services import gather_evidence
from readiness.checklist.statuses import Status
from readiness.operations.drill_queries import tiers_now
from readiness.operations.drills.findings import Finding
from readiness.projects.models import Allowance, AllowanceKind, Project, Tier, TierOverride
from readiness.telemetry.models import RequestRecord
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


def make_record(project: Project, *, api_key: str, at: datetime = NOW) -> None:
    number = RequestRecord.objects.count()
    RequestRecord.objects.create(
        event_id=f"e{number}", request_id=f"r{number}", at=at, outcome="ok", project=project, api_key=api_key
    )


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


@pytest.mark.parametrize(
    ("criterion", "figures"),
    [
        ("R3", {"overload": OVERLOAD}),
        ("R4", {"contention": CONTENTION}),
        ("R7", {"over-cap": OVER_CAP, "billing": {"alert": 1}}),
        ("I6", {"worker-kill": {"unrecorded": 0, "lost": 0}, "outage": {"lost": 0}}),
    ],
)
@pytest.mark.usefixtures("capped")
def test_drill_that_missed_an_expectation_proves_nothing(project, criterion, figures):
    make_target(project)
    for name, found in figures.items():
        report = held(name, found, at=NOW)
    missed = Finding(key="lost_too", label="Calls that nobody heard of", value=1, unit="calls", at_most=0)
    report.findings = [*report.findings, missed.to_row()]
    report.save()
    judgement = judged(project, criterion)

    assert judgement.status is Status.FAIL
    assert "Calls that nobody heard of" in [part.part.note for part in judgement.parts if part.part]


def test_budgets_that_are_not_in_force_are_named(project):
    make_target(project)
    Allowance.objects.create(kind=AllowanceKind.ALL, project=project, usd_per_month=Decimal(5))
    held("over-cap", OVER_CAP, at=NOW)
    judgement = judged(project, "R7")
    (caps,) = (part for part in judgement.parts if part.rule.name == "caps")

    assert caps.status is Status.FAIL
    assert caps.part is not None
    assert (caps.part.value, caps.part.note) == (1, "none on API keys, end users, the site")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["k1"], (4, "")),
        (["k1", "k2"], (3, "none on API key k2")),
        (["k2", "k3", "k4", "k5", "k1"], (3, "none on API keys k2, k3, k4 and 1 more")),
    ],
)
@pytest.mark.usefixtures("capped")
def test_key_without_a_budget_that_is_used_is_named(project, keys, expected):
    make_target(project)
    for key in keys:
        make_record(project, api_key=key)
    held("over-cap", OVER_CAP, at=NOW)
    (caps,) = (part for part in judged(project, "R7").parts if part.rule.name == "caps")

    assert caps.part is not None
    assert (caps.part.value, caps.part.note) == expected


@pytest.mark.usefixtures("capped")
def test_key_that_is_not_used_any_more_or_elsewhere_needs_no_budget(project):
    make_target(project)
    make_record(project, api_key="k2", at=NOW - timedelta(days=8))
    make_record(Project.objects.create(name="Other", slug="other"), api_key="k3")
    held("over-cap", OVER_CAP, at=NOW)

    assert values(judged(project, "R7"))["caps"] == 4


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


@pytest.mark.parametrize(("for_project", "expected"), [(True, Status.PASS), (False, Status.STALE)])
def test_drill_for_the_whole_site_says_nothing_of_a_projects_overrides(project, for_project, expected):
    make_target(project)
    tier = Tier.objects.create(slug="new", name="New", weight=2)
    TierOverride.objects.create(tier=tier, project=project, weight=9)
    of = project if for_project else None
    held("contention", CONTENTION, project=of, tiers=tiers_now(of), at=NOW)

    assert judged(project, "R4").status is expected


def test_override_that_is_added_makes_a_drill_stale(project):
    make_target(project)
    tier = Tier.objects.create(slug="new", name="New", weight=2)
    held("contention", CONTENTION, project=project, at=NOW)
    assert judged(project, "R4").status is Status.PASS
    TierOverride.objects.create(tier=tier, project=project, longest_wait_seconds=9)
    judgement = judged(project, "R4")

    assert (judgement.status, judgement.moved) == (Status.STALE, ("L",))


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

"""Money recorded for a scope, held against a direct sum over the records."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from readiness.lib.events import Outcome, UsageEvent
from readiness.lib.scopes import Scope, ScopeKind
from readiness.projects.models import Project, Tier, TierOverride
from readiness.telemetry.models import Grain, RequestRecord
from readiness.telemetry.queries import _records_of, spent_nanos
from readiness.telemetry.ranges import pieces
from readiness.telemetry.services import delete_fine_rollups, write_events
from tests.builders import make_deployment

NOW = datetime(2026, 11, 23, 12, 34, 56, 789_000, tzinfo=UTC)
KOLKATA = ZoneInfo("Asia/Kolkata")
"""Five and a half hours ahead of UTC: its days begin at half past."""
SITE = Scope(kind=ScopeKind.SITE)


@pytest.fixture
def other(db):
    return Project.objects.create(name="Other", slug="other")


@pytest.fixture
def traffic(project, other):
    """A thousand calls of 40 days, of two projects and of one that was deleted before they were recorded."""
    chance, deployment = random.Random(7), make_deployment()
    write_events(
        UsageEvent(
            event_id=f"e{number}",
            request_id=f"r{number}",
            at_ms=int((NOW - timedelta(days=40 * chance.random() ** 3)).timestamp() * 1000),
            project_id=chance.choice([project.id, other.id, 4711]),
            deployment_id=deployment.id,
            tier=chance.choice(["free", "pro"]),
            end_user=chance.choice(["", "ann", "b/ob"]),
            api_key=chance.choice(["", "k1", "k2"]),
            outcome=chance.choice([Outcome.OK, Outcome.FAILED, Outcome.CANCELLED, Outcome.ORPHANED]),
            cost_nanos=chance.randrange(1, 10**9),
        )
        for number in range(1000)
    )


def scopes(project):
    return {
        SITE: {},
        Scope(kind=ScopeKind.PROJECT, project_id=project.id): {"project": project},
        Scope(kind=ScopeKind.API_KEY, api_key="k1"): {"api_key": "k1"},
        Scope(kind=ScopeKind.END_USER, project_id=project.id, end_user="b/ob"): {
            "project": project,
            "end_user": "b/ob",
        },
        Scope(kind=ScopeKind.TIER, tier="free"): {"tier": "free"},
        Scope(kind=ScopeKind.TIER, tier="free", project_id=project.id): {"tier": "free", "project": project},
        Scope(kind=ScopeKind.TIER, tier="free", project_id=project.id, end_user="ann"): {
            "tier": "free",
            "project": project,
            "end_user": "ann",
        },
    }


def recount(since, until, **which):
    records = RequestRecord.objects.filter(at__gte=since, at__lt=until, **which)
    return sum(records.values_list("cost_nanos", flat=True))


WINDOWS = {
    "day of UTC": (datetime(2026, 11, 23, tzinfo=UTC), NOW),
    "day of Kolkata": (datetime(2026, 11, 23, tzinfo=KOLKATA), NOW),
    "month of Kolkata": (datetime(2026, 11, 1, tzinfo=KOLKATA), NOW),
    "day of Kolkata that is over": (
        datetime(2026, 11, 20, tzinfo=KOLKATA),
        datetime(2026, 11, 21, tzinfo=KOLKATA),
    ),
    "some seconds within a minute": (NOW - timedelta(seconds=40), NOW),
    "any two moments": (NOW - timedelta(days=39, minutes=7, milliseconds=13), NOW - timedelta(days=3)),
    "from two days ago without an end": (NOW - timedelta(days=2), datetime.max.replace(tzinfo=UTC)),
    "nothing": (NOW, NOW),
}


@pytest.mark.parametrize("window", WINDOWS)
def test_spending_of_every_kind_of_scope_equals_the_records(project, traffic, window):
    since, until = WINDOWS[window]
    delete_fine_rollups(now=NOW)
    expected = {scope: recount(since, until, **which) for scope, which in scopes(project).items()}
    assert {scope: spent_nanos(scope, since, until, now=NOW) for scope in expected} == expected


FREE = Scope(kind=ScopeKind.TIER, tier="free")
TODAY = datetime(2026, 11, 23, tzinfo=UTC)
MONTH = datetime(2026, 11, 1, tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def free(db):
    return Tier.objects.get(slug="free")


def override(tier, project, end_user="", **budgets):
    return TierOverride.objects.create(tier=tier, project=project, end_user=end_user, weight=2, **budgets)


def apart(since, **which):
    """What is left of the tier's records without those that count elsewhere."""
    return recount(since, NOW, tier="free") - recount(since, NOW, tier="free", **which)


@pytest.mark.parametrize(("budget", "since"), [("usd_per_day", TODAY), ("usd_per_month", MONTH)])
def test_tier_is_without_a_project_that_has_a_budget_of_its_own(project, traffic, free, budget, since):
    override(free, project, **{budget: 5})
    override(free, project, "ann", **{budget: 5})
    delete_fine_rollups(now=NOW)
    own = recount(since, NOW, tier="free", project=project)
    assert spent_nanos(FREE, since, FOREVER, now=NOW) == apart(since, project=project)
    assert own > 0


@pytest.mark.parametrize(("budget", "since"), [("usd_per_day", TODAY), ("usd_per_month", MONTH)])
@pytest.mark.parametrize("of_project", [False, True])
def test_tier_is_without_end_users_that_have_a_budget_of_their_own(
    project, other, traffic, free, budget, since, of_project
):
    """Also where it is the project's override that the others of the project count in."""
    override(free, project, "ann", **{budget: 5})
    override(free, project, "b/ob", **{budget: 5})
    override(free, other, "nobody", **{budget: 5})
    delete_fine_rollups(now=NOW)
    whose = {"project": project} if of_project else {}
    scope = Scope(kind=ScopeKind.TIER, tier="free", project_id=project.id if of_project else 0)
    own = recount(since, NOW, tier="free", project=project, end_user__in=["ann", "b/ob"])
    expected = recount(since, NOW, tier="free", **whose) - own
    assert spent_nanos(scope, since, FOREVER, now=NOW) == expected
    assert own > 0


def test_project_is_with_its_own_spending_in_its_own_budget(project, traffic, free):
    override(free, project, usd_per_day=5)
    scope = Scope(kind=ScopeKind.TIER, tier="free", project_id=project.id)
    assert spent_nanos(scope, TODAY, FOREVER, now=NOW) == recount(TODAY, NOW, tier="free", project=project)


@pytest.mark.parametrize(
    ("budgets", "since"),
    [({}, TODAY), ({"usd_per_month": 5}, TODAY), ({"usd_per_day": 5}, MONTH)],
    ids=["no budget", "budget of the month alone", "budget of the day alone"],
)
def test_override_that_inherits_the_budget_counts_in_the_tier(project, traffic, free, budgets, since):
    override(free, project, **budgets)
    assert spent_nanos(FREE, since, FOREVER, now=NOW) == recount(since, NOW, tier="free")


def test_override_of_another_tier_changes_nothing(project, traffic, free):
    override(Tier.objects.get(slug="pro"), project, usd_per_day=5)
    assert spent_nanos(FREE, TODAY, FOREVER, now=NOW) == recount(TODAY, NOW, tier="free")


@pytest.mark.parametrize("budget", ["usd_per_day", "usd_per_month"])
def test_on_the_first_of_a_month_an_override_with_either_budget_is_left_out(
    project, traffic, free, settings, budget
):
    """The day and the month begin together then, here in a zone whose midnight is not one of UTC."""
    settings.BUDGET_TIME_ZONE = "Asia/Kolkata"
    first = datetime(2026, 11, 1, tzinfo=KOLKATA)
    evening = first + timedelta(hours=20)
    override(free, project, **{budget: 5})
    assert spent_nanos(FREE, first, FOREVER, now=evening) == apart(first, project=project)


def test_a_month_of_a_zone_with_a_half_hour_outlives_its_records(project, traffic):
    """All but the current minute is in rollups, also where the month begins between two hours."""
    since = datetime(2026, 11, 1, tzinfo=KOLKATA)
    minute = NOW.replace(second=0, microsecond=0)
    scope = Scope(kind=ScopeKind.PROJECT, project_id=project.id)
    expected = recount(since, minute, project=project)
    delete_fine_rollups(now=NOW)
    RequestRecord.objects.all().delete()
    assert spent_nanos(scope, since, minute, now=NOW) == expected > 0


def test_calls_at_the_edges_count_from_the_first_moment_and_up_to_the_last(project):
    since = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
    moment = timedelta(milliseconds=1)
    for number, at in enumerate([since - moment, since, NOW - moment, NOW]):
        write_events(
            [
                UsageEvent(
                    event_id=f"e{number}",
                    request_id="r",
                    at_ms=round(at.timestamp() * 1000),
                    project_id=project.id,
                    cost_nanos=10**number,
                )
            ]
        )
    assert spent_nanos(SITE, since, NOW, now=NOW) == 110


def test_refusals_cost_nothing(project):
    refused = UsageEvent(
        event_id="e", request_id="r", at_ms=1_795_000_000_000, project_id=project.id, outcome=Outcome.REFUSED
    )
    write_events([refused])
    since = datetime.fromtimestamp(1_794_999_999, tz=UTC)
    assert spent_nanos(SITE, since, since + timedelta(hours=1), now=NOW) == 0


def test_a_span_is_cut_into_hours_and_finer_windows_at_its_edges():
    cut = list(pieces(datetime(2026, 11, 22, 18, 30, tzinfo=UTC), NOW, NOW))
    assert [piece.grain for piece in cut] == [Grain.QUARTER, Grain.HOUR, Grain.QUARTER, Grain.MINUTE, None]
    assert all(before.until == after.since for before, after in pairwise(cut))
    assert (cut[-1].since, cut[-1].until) == (NOW.replace(second=0, microsecond=0), NOW)


def test_edges_whose_finer_rollups_are_over_are_read_from_records():
    month_ago = NOW.replace(second=0, microsecond=0) - timedelta(days=33)
    cut = list(pieces(month_ago, month_ago + timedelta(hours=3), NOW))
    assert [piece.grain for piece in cut] == [None, Grain.HOUR, None]


@pytest.mark.parametrize(
    ("kind", "index"),
    [(ScopeKind.API_KEY, "record_cost_by_key"), (ScopeKind.END_USER, "record_cost_by_end_user")],
)
def test_sums_of_keys_and_end_users_are_read_from_their_index(project, traffic, kind, index):
    scope = next(scope for scope in scopes(project) if scope.kind is kind)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    rows = RequestRecord.objects.filter(_records_of(scope), at__gte=NOW - timedelta(days=1), at__lt=NOW)
    assert index in rows.order_by().values("cost_nanos").explain()

"""Tiers: row, audit entry and publication go together, and the row is the truth."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import redis
from django.db import IntegrityError
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from readiness.accounts.models import AuditEntry, User
from readiness.limits import services
from readiness.limits.publication import DAY_EDGES_KEY, MONTH_EDGES_KEY, POLICY_KEY
from readiness.limits.tickets import LimiterUnavailableError
from readiness.projects.models import Allowance, AllowanceKind, Project, Tier, TierOverride
from readiness.providers.base import Quota
from tests.limits.harness import Upstream
from tests.limits.published import published

pytestmark = pytest.mark.django_db


@pytest.fixture
def basic(redis_server: redis.Redis) -> Tier:
    return Tier.objects.create(slug="basic", name="Basic", weight=2, longest_wait_seconds=30)


def test_publication_holds_every_line(redis_server: redis.Redis, basic: Tier) -> None:
    services.publish_policy()

    assert published(redis_server)["tier:basic"] == {"weight": 2, "wait_ms": 30_000, "limits": {}}


def test_publication_keeps_the_largest_budget_to_the_nano_dollar(
    redis_server: redis.Redis, basic: Tier
) -> None:
    Tier.objects.update(usd_per_month=Decimal("8999999.99"))
    services.publish_policy()

    assert published(redis_server)["tier:basic"]["limits"]["month"] == [8_999_999_990_000_000, "tier:basic"]


def test_publication_replaces_what_was_there(redis_server: redis.Redis, basic: Tier) -> None:
    redis_server.hset(POLICY_KEY, "tier:gone", "anything")
    redis_server.zadd(DAY_EDGES_KEY, {"1": 1})
    services.publish_policy()

    assert not redis_server.hexists(POLICY_KEY, "tier:gone")
    assert redis_server.zscore(DAY_EDGES_KEY, "1") is None


def test_publication_of_what_is_in_force_already_writes_nothing(
    redis_server: redis.Redis, basic: Tier
) -> None:
    services.publish_policy()
    redis_server.hset(POLICY_KEY, "mark", "survives what does not write")
    services.publish_policy()

    assert redis_server.hexists(POLICY_KEY, "mark")


def test_publication_makes_up_for_a_policy_that_was_lost(redis_server: redis.Redis, basic: Tier) -> None:
    services.publish_policy()
    redis_server.delete(POLICY_KEY)
    services.publish_policy()

    assert published(redis_server)["tier:basic"]["weight"] == 2


def test_publication_without_any_tier_has_a_lowest_weight_of_one(redis_server: redis.Redis) -> None:
    Tier.objects.all().delete()
    services.publish_policy()

    assert published(redis_server) == {"lowest_weight": 1}


@pytest.mark.parametrize(
    ("key", "edge"), [(DAY_EDGES_KEY, "2026-06-02T22:00Z"), (MONTH_EDGES_KEY, "2026-05-31T22:00Z")]
)
def test_publication_tells_when_days_and_months_begin(
    redis_server: redis.Redis, settings: Settings, basic: Tier, key: str, edge: str
) -> None:
    settings.BUDGET_TIME_ZONE = "Europe/Berlin"
    services.publish_policy(now=datetime(2026, 6, 3, 12, tzinfo=UTC))
    began = redis_server.zrevrangebyscore(key, 1_780_488_000_000, "-inf", start=0, num=1)

    assert began == [str(round(datetime.fromisoformat(edge).timestamp() * 1000))]


def test_changed_tier_is_published_with_its_commit(
    redis_server: redis.Redis,
    basic: Tier,
    site_admin: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        services.update_tier(actor=site_admin, tier=basic, values={"weight": 7})

    assert published(redis_server)["tier:basic"]["weight"] == 7


def test_changed_tier_is_audited_with_what_it_was(
    redis_server: redis.Redis, basic: Tier, site_admin: User
) -> None:
    services.update_tier(actor=site_admin, tier=basic, values={"weight": 7, "longest_wait_seconds": 30})
    entry = AuditEntry.objects.get(object_type="tier")

    assert (entry.actor, entry.action, entry.changes) == (site_admin, "tier changed", {"weight": [2, 7]})


def test_saving_without_a_change_writes_no_entry(
    redis_server: redis.Redis, basic: Tier, site_admin: User
) -> None:
    services.update_tier(actor=site_admin, tier=basic, values={"weight": 2})

    assert not AuditEntry.objects.exists()


def test_tier_stays_as_it_was_when_redis_is_gone(
    basic: Tier, site_admin: User, redis_gone: Callable[[], None]
) -> None:
    redis_gone()
    with pytest.raises(LimiterUnavailableError):
        services.update_tier(actor=site_admin, tier=basic, values={"weight": 7})

    basic.refresh_from_db()
    assert basic.weight == 2
    assert not AuditEntry.objects.exists()


def test_change_that_cannot_be_published_any_more_says_so(
    basic: Tier,
    site_admin: User,
    redis_gone: Callable[[], None],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as committed:
        services.update_tier(actor=site_admin, tier=basic, values={"weight": 7})
    redis_gone()

    with pytest.raises(services.NotYetInForceError, match="takes effect within a minute"):
        committed[0]()


def test_money_is_audited_to_the_cent(redis_server: redis.Redis, basic: Tier, site_admin: User) -> None:
    services.update_tier(actor=site_admin, tier=basic, values={"usd_per_month": Decimal("1240.5")})

    assert AuditEntry.objects.get().changes == {"usd_per_month": [None, "$1,240.50"]}


def test_new_tier_is_audited_with_what_it_sets(redis_server: redis.Redis, site_admin: User) -> None:
    values = {"name": "Trial", "weight": 1, "concurrency": None}
    services.create_tier(actor=site_admin, slug="trial", values=values)

    assert AuditEntry.objects.get().changes == {"name": [None, "Trial"], "weight": [None, 1]}


def test_override_is_published_with_its_commit(
    redis_server: redis.Redis,
    basic: Tier,
    project: Project,
    site_admin: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        services.set_override(actor=site_admin, tier=basic, project=project, values={"weight": 7})

    assert published(redis_server)[f"tier:basic/{project.pk}"]["weight"] == 7


def test_new_override_is_audited_where_the_projects_admins_read(
    redis_server: redis.Redis, basic: Tier, project: Project, site_admin: User
) -> None:
    values = {"weight": 7, "concurrency": None}
    services.set_override(actor=site_admin, tier=basic, project=project, end_user="ada", values=values)
    entry = AuditEntry.objects.get()

    assert (entry.action, entry.object_type, entry.project_slug) == ("override added", "override", "handbook")
    assert (entry.object_label, entry.changes) == (
        "Basic for “ada” of Handbook assistant",
        {"weight": [None, 7]},
    )


def test_override_that_is_set_again_changes_the_same_row(
    redis_server: redis.Redis, basic: Tier, project: Project, site_admin: User
) -> None:
    for weight in (7, 8):
        services.set_override(actor=site_admin, tier=basic, project=project, values={"weight": weight})

    assert TierOverride.objects.get().weight == 8
    assert AuditEntry.objects.latest("id").action == "override changed"
    assert AuditEntry.objects.latest("id").changes == {"weight": [7, 8]}


def test_removed_override_is_audited_and_no_longer_published(
    redis_server: redis.Redis,
    basic: Tier,
    project: Project,
    site_admin: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    override = TierOverride.objects.create(tier=basic, project=project, usd_per_day=Decimal(5))
    services.publish_policy()
    with django_capture_on_commit_callbacks(execute=True):
        services.remove_override(actor=site_admin, override=override)

    assert f"tier:basic/{project.pk}" not in published(redis_server)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.changes) == ("override removed", {"usd_per_day": ["$5.00", None]})


def test_allowance_is_published_with_its_commit(
    redis_server: redis.Redis,
    project: Project,
    alice: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    whom = {"project": project, "kind": AllowanceKind.END_USER, "subject": "ada"}
    with django_capture_on_commit_callbacks(execute=True):
        services.set_allowance(actor=alice, **whom, values={"usd_per_day": Decimal("0.5")})

    assert published(redis_server)[f"cap:user:{project.pk}:ada"] == {"day": 500_000_000}


def test_changed_policy_is_in_force_with_the_next_call(
    redis_server: redis.Redis,
    project: Project,
    alice: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    services.publish_policy()
    upstream = Upstream(redis_server, Quota(rpm=60))
    before = [upstream.enqueue(project_id=project.pk)["status"] for _ in range(3)]
    with django_capture_on_commit_callbacks(execute=True):
        services.set_allowance(
            actor=alice,
            project=project,
            kind=AllowanceKind.ALL,
            subject="",
            values={"requests_per_minute": 1},
        )
    after = [upstream.enqueue(project_id=project.pk) for _ in range(2)]

    assert before == ["granted"] * 3
    assert [answer["status"] for answer in after] == ["granted", "refused"]
    assert upstream.events()[-1].refused_by == f"project:{project.pk} rpm"


@pytest.mark.parametrize("subject", ["", "ada"])
def test_allowance_is_audited(redis_server: redis.Redis, project: Project, alice: User, subject: str) -> None:
    whom = {"project": project, "kind": AllowanceKind.END_USER, "subject": subject}
    for limit in (5, 6):
        services.set_allowance(actor=alice, **whom, values={"requests_per_minute": limit})
    services.remove_allowance(actor=alice, allowance=Allowance.objects.get())
    entries = AuditEntry.objects.filter(object_type="allowance", project_slug="handbook").order_by("id")

    assert [(entry.action, entry.changes["requests_per_minute"]) for entry in entries] == [
        ("allowance added", [None, 5]),
        ("allowance changed", [5, 6]),
        ("allowance removed", [6, None]),
    ]


def test_allowance_of_a_key_overrules_none_of_another_project(
    redis_server: redis.Redis, project: Project, site_admin: User
) -> None:
    other = Project.objects.create(name="Other", slug="other")
    Allowance.objects.create(kind=AllowanceKind.API_KEY, subject="k1", project=other, requests_per_minute=5)
    whom = {"project": project, "kind": AllowanceKind.API_KEY, "subject": "k1"}
    with pytest.raises(IntegrityError):
        services.set_allowance(actor=site_admin, **whom, values={"requests_per_minute": 9})

    assert Allowance.objects.get().requests_per_minute == 5
    assert not AuditEntry.objects.exists()


def test_allowance_of_the_site_is_in_the_sites_log(redis_server: redis.Redis, site_admin: User) -> None:
    whom = {"project": None, "kind": AllowanceKind.ALL, "subject": ""}
    services.set_allowance(actor=site_admin, **whom, values={"usd_per_day": Decimal(100)})

    assert AuditEntry.objects.get().project_slug == ""
    assert AuditEntry.objects.get().object_label == "The whole site"


def test_nothing_is_removed_when_redis_is_gone(
    basic: Tier, project: Project, site_admin: User, redis_gone: Callable[[], None]
) -> None:
    override = TierOverride.objects.create(tier=basic, project=project, weight=3)
    allowance = Allowance.objects.create(kind=AllowanceKind.ALL, requests_per_minute=3)
    redis_gone()
    with pytest.raises(LimiterUnavailableError):
        services.remove_override(actor=site_admin, override=override)
    with pytest.raises(LimiterUnavailableError):
        services.remove_allowance(actor=site_admin, allowance=allowance)

    assert TierOverride.objects.exists()
    assert Allowance.objects.exists()
    assert not AuditEntry.objects.exists()

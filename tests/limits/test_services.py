"""Tiers: row, audit entry and publication go together, and the row is the truth."""

from collections.abc import Callable

import pytest
import redis
from pytest_django import DjangoCaptureOnCommitCallbacks

from readiness.accounts.models import AuditEntry, User
from readiness.limits import services
from readiness.limits.scripts import TIERS_KEY
from readiness.limits.tickets import LimiterUnavailableError
from readiness.projects.models import Project, Tier
from readiness.providers.base import Quota
from tests.builders import make_deployment
from tests.limits.harness import LEASE_MS, Upstream, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def basic(redis_server: redis.Redis) -> Tier:
    return Tier.objects.create(slug="basic", name="Basic", weight=2, longest_wait_seconds=30)


def test_publication_holds_every_tiers_settings(redis_server: redis.Redis, basic: Tier) -> None:
    services.publish_tiers()
    published = redis_server.hgetall(TIERS_KEY)

    assert published["basic:weight"] == "2"
    assert published["basic:wait_ms"] == "30000"
    assert "basic:rpm" not in published


def test_publication_replaces_what_was_there(redis_server: redis.Redis, basic: Tier) -> None:
    publish(redis_server, gone={"weight": 9})
    services.publish_tiers()

    assert "gone:weight" not in redis_server.hgetall(TIERS_KEY)


def test_lowest_weight_is_one_without_any_tier(redis_server: redis.Redis) -> None:
    Tier.objects.all().delete()
    services.publish_tiers()

    assert redis_server.hgetall(TIERS_KEY) == {"lowest_weight": "1"}


def test_changed_tier_is_published_with_its_commit(
    redis_server: redis.Redis,
    basic: Tier,
    site_admin: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        services.update_tier(actor=site_admin, tier=basic, values={"weight": 7})

    assert redis_server.hget(TIERS_KEY, "basic:weight") == "7"


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


def test_sweep_records_orphans_although_nobody_calls_any_more(redis_server: redis.Redis, basic: Tier) -> None:
    services.publish_tiers()
    upstream = Upstream(redis_server, Quota(rpm=60))
    upstream.follow_server(ago_ms=LEASE_MS)
    upstream.enqueue("one")
    services.sweep()

    assert [event.outcome for event in upstream.events()] == ["orphaned"]


def test_sweep_publishes_tiers_again(redis_server: redis.Redis, basic: Tier) -> None:
    services.sweep()

    assert redis_server.hget(TIERS_KEY, "basic:weight") == "2"


def test_resumed_deployment_is_called_again_and_audited(
    redis_server: redis.Redis, project: Project, alice: User
) -> None:
    deployment = make_deployment()
    publish(redis_server, free={})
    upstream = Upstream(redis_server, name=f"d{deployment.pk}")
    upstream.feedback("out_of_credit")
    services.resume_deployment(actor=alice, deployment=deployment, project=project)

    assert upstream.enqueue()["status"] == "granted"
    assert AuditEntry.objects.get().action == "deployment resumed"

"""What concerns one upstream: resuming it, and the sweep of each minute."""

import pytest
import redis

from readiness.accounts.models import AuditEntry, User
from readiness.alerts.models import Severity
from readiness.alerts.queries import open_keys
from readiness.alerts.services import raise_alert
from readiness.limits import services, upstreams
from readiness.limits.models import UpstreamSample
from readiness.limits.queries import upstream_of
from readiness.projects.models import Project, Tier
from readiness.providers.base import Quota
from tests.builders import make_deployment
from tests.limits.harness import LEASE_MS, Upstream, publish
from tests.limits.published import published

pytestmark = pytest.mark.django_db


@pytest.fixture
def basic(redis_server: redis.Redis) -> Tier:
    return Tier.objects.create(slug="basic", name="Basic", weight=2)


def test_sweep_records_orphans_although_nobody_calls_any_more(redis_server: redis.Redis, basic: Tier) -> None:
    services.publish_policy()
    upstream = Upstream(redis_server, Quota(rpm=60))
    upstream.follow_server(ago_ms=LEASE_MS)
    upstream.enqueue("one")
    upstreams.sweep()

    assert [event.outcome for event in upstream.events()] == ["orphaned"]


def test_sweep_looks_at_all_others_when_one_cannot_be_read(
    redis_server: redis.Redis, basic: Tier, caplog: pytest.LogCaptureFixture
) -> None:
    services.publish_policy()
    broken, sound = make_deployment(name="Broken"), make_deployment(name="Sound")
    for deployment in (broken, sound):
        upstream = Upstream(redis_server, name=upstream_of(deployment.pk))
        upstream.follow_server(ago_ms=2 * LEASE_MS)
        upstream.configure()
        upstream.enqueue(f"of {deployment.name}")
    redis_server.set(f"limits:{{{upstream_of(broken.pk)}}}:upstream", "no packed value")
    told = f"out_of_credit:{upstream_of(broken.pk)}"
    raise_alert(key=told, severity=Severity.CRITICAL, title="Out of credit", detail="")
    upstreams.sweep()

    assert [(event.event_id, event.outcome) for event in upstream.events()] == [("of Sound", "orphaned")]
    assert [sample.deployment for sample in UpstreamSample.objects.all()] == [sound]
    assert open_keys("out_of_credit:") == {told}
    assert f"{upstream_of(broken.pk)} cannot be swept" in caplog.text


def test_sweep_publishes_the_policy_again(redis_server: redis.Redis, basic: Tier) -> None:
    upstreams.sweep()

    assert published(redis_server)["tier:basic"]["weight"] == 2


def test_resumed_deployment_is_called_again_and_audited(
    redis_server: redis.Redis, project: Project, alice: User
) -> None:
    deployment = make_deployment()
    publish(redis_server, free={})
    upstream = Upstream(redis_server, name=f"d{deployment.pk}")
    upstream.configure()
    upstream.feedback("out_of_credit")
    upstreams.resume_deployment(actor=alice, deployment=deployment, project=project)

    assert upstream.enqueue()["status"] == "granted"
    assert AuditEntry.objects.get().action == "deployment resumed"


def test_deployment_that_is_only_paused_stays_paused(
    redis_server: redis.Redis, project: Project, alice: User
) -> None:
    deployment = make_deployment()
    publish(redis_server, free={})
    upstream = Upstream(redis_server, name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=60_000)
    is_resumed = upstreams.resume_deployment(actor=alice, deployment=deployment, project=project)

    assert not is_resumed
    assert upstream.inspect()["pause_ms"] > 0
    assert not AuditEntry.objects.exists()

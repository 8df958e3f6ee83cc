"""What the limits page is made of."""

from collections.abc import Callable

import pytest
import redis
from pytest_django import DjangoAssertNumQueries

from readiness.limits.queries import NO_REDIS, upstream_of
from readiness.limits.services import publish_policy
from readiness.operations.queries import MOST_LINES, limits_page
from readiness.projects.models import Project, Tier, TierOverride
from readiness.providers.base import Quota
from readiness.providers.models import Deployment, ProviderKind
from tests.builders import make_account, make_deployment
from tests.limits.harness import Upstream, publish


@pytest.fixture
def deployment(project: Project) -> Deployment:
    return make_deployment(make_account(project), name="Own model", rpm=60, tpm=6000)


def busy(client: redis.Redis, deployment: Deployment) -> Upstream:
    """Pro (weight 4) was granted everything so far; free (weight 1) and an unknown tier wait."""
    Tier.objects.all().delete()
    Tier.objects.create(slug="pro", name="Pro", weight=4)
    Tier.objects.create(slug="free", name="Free", weight=1)
    publish(client, pro={"weight": 4}, free={"weight": 1})
    upstream = Upstream(client, Quota(rpm=60, tpm=6000, concurrency=1), name=f"d{deployment.pk}")
    upstream.follow_server()
    for tier in ("pro", "free", "nobody-knows-it"):
        upstream.enqueue(tier=tier)
    return upstream


def test_deployment_that_was_never_called_shows_full_buckets(
    redis_server: redis.Redis, project: Project, deployment: Deployment
) -> None:
    (panel,) = limits_page(project).panels

    assert [(gauge.level, gauge.limit) for gauge in panel.gauges] == [(60, 60), (6000, 6000)]


def test_lines_show_promised_and_got_shares(
    redis_server: redis.Redis, project: Project, deployment: Deployment
) -> None:
    busy(redis_server, deployment)
    (panel,) = limits_page(project).panels

    assert [(line.name, line.waiting, line.got) for line in panel.lines] == [
        ("Pro", 0, 1),
        ("Free", 1, 0),
        ("Unknown tier", 1, 0),
    ]
    assert [line.promised for line in panel.lines] == pytest.approx([4 / 6, 1 / 6, 1 / 6])


def test_lines_of_other_projects_are_one(
    redis_server: redis.Redis, project: Project, deployment: Deployment
) -> None:
    tier, _ = Tier.objects.update_or_create(slug="free", defaults={"name": "Free", "weight": 1})
    other = Project.objects.create(name="Other", slug="other")
    overridden = [(project, ""), (other, "eve"), (other, "mallory")]
    for of, end_user in overridden:
        TierOverride.objects.create(tier=tier, project=of, end_user=end_user, weight=2)
    publish_policy()
    upstream = Upstream(redis_server, Quota(rpm=60, concurrency=1), name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.enqueue(tier="free")
    for of, end_user in overridden:
        upstream.enqueue(tier="free", project_id=of.pk, end_user=end_user, tenant=end_user)
    (panel,) = limits_page(project).panels

    assert {line.name: (line.waiting, line.tenants) for line in panel.lines} == {
        "Free": (0, 0),
        "Free, this project": (1, 1),
        "Free, another project": (2, 2),
    }


def test_lines_of_many_end_users_are_bounded(
    redis_server: redis.Redis, project: Project, deployment: Deployment
) -> None:
    tier, _ = Tier.objects.update_or_create(slug="free", defaults={"name": "Free", "weight": 1})
    users = [f"user {number:02}" for number in range(MOST_LINES + 3)]
    for user in users:
        TierOverride.objects.create(tier=tier, project=project, end_user=user, weight=2)
    publish_policy()
    upstream = Upstream(redis_server, Quota(rpm=600, concurrency=1), name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.enqueue(tier="free")
    for number, user in enumerate([*users, *users[2:]]):
        upstream.enqueue(tier="free", project_id=project.pk, end_user=user, tenant=f"{number}")
    (panel,) = limits_page(project).panels
    *shown, others = panel.lines

    # The two who wait once, and Free, which waits no more.
    assert {line.name for line in shown} < {f"Free, {user}" for user in users[2:]}
    assert [line.waiting for line in shown] == [2] * MOST_LINES
    assert (others.name, others.waiting, others.tenants) == ("4 others", 4, 4)
    assert sum(line.promised for line in panel.lines) == pytest.approx(1)
    assert sum(line.got or 0 for line in panel.lines) == pytest.approx(1)


def test_nothing_got_is_not_a_share_of_zero(
    redis_server: redis.Redis, project: Project, deployment: Deployment
) -> None:
    publish(redis_server, pro={"weight": 4})
    upstream = Upstream(redis_server, Quota(rpm=60), name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=60_000)
    upstream.enqueue(tier="pro", wait_ms=120_000)
    (panel,) = limits_page(project).panels

    assert [(line.waiting, line.got) for line in panel.lines] == [(1, None)]


def test_recordings_have_no_limits_to_show(redis_server: redis.Redis, project: Project) -> None:
    make_deployment(make_account(project, kind=ProviderKind.RECORDED))

    assert limits_page(project).panels == []


def test_page_without_redis_shows_the_limits_and_no_level(
    project: Project, deployment: Deployment, redis_gone: Callable[[], None]
) -> None:
    redis_gone()
    page = limits_page(project)

    assert page.trouble == NO_REDIS
    assert [(gauge.limit, gauge.level) for gauge in page.panels[0].gauges] == [(60, None), (6000, None)]


def test_deployment_that_cannot_be_read_hides_no_other(
    redis_server: redis.Redis, project: Project, deployment: Deployment
) -> None:
    sound = make_deployment(deployment.account)
    Upstream(redis_server, name=upstream_of(deployment.pk)).configure()
    redis_server.set(f"limits:{{{upstream_of(deployment.pk)}}}:upstream", "no packed value")
    page = limits_page(project)
    shown = {panel.deployment: panel for panel in page.panels}

    assert page.trouble == ""
    assert shown[deployment].state is None
    assert "cannot be read" in shown[deployment].sentences[0]
    assert shown[sound].state is not None


def test_number_of_queries_does_not_grow_with_deployments(
    redis_server: redis.Redis, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    account = make_account(project)
    for _ in range(5):
        make_deployment(account)
    with django_assert_num_queries(2):
        limits_page(project)

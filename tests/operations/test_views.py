"""The limits page and the tier form: who sees what, who may change what, and what Redis being away means."""

from collections.abc import Callable

import pytest
import redis
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from readiness.accounts.models import AuditEntry, User
from readiness.limits.scripts import TIERS_KEY
from readiness.projects.models import Project, Tier
from readiness.providers.models import Deployment
from tests.builders import make_account, make_deployment
from tests.limits.harness import Upstream, publish

AsUser = Callable[[User], Client]

PAGE = reverse("operations:limits", args=["handbook"])
LIVE = reverse("operations:limits_live", args=["handbook"])
TIERS = reverse("operations:tiers")
VALUES = {"name": "Basic", "weight": "7", "longest_wait_seconds": "30"}


@pytest.fixture
def deployment(project: Project) -> Deployment:
    return make_deployment(make_account(project), name="Own model", rpm=60)


@pytest.fixture
def site_deployment(project: Project) -> Deployment:
    return make_deployment(make_account(None), name="Site model", rpm=60)


@pytest.fixture
def basic(db: None) -> Tier:
    return Tier.objects.create(slug="basic", name="Basic", weight=2, longest_wait_seconds=30)


def tier_url(tier: Tier) -> str:
    return reverse("operations:tier", args=[tier.slug])


def resume_url(deployment: Deployment) -> str:
    return reverse("operations:resume", args=["handbook", deployment.pk])


@pytest.mark.parametrize("url", [PAGE, LIVE])
def test_everybody_in_the_project_sees_the_queues(
    redis_server: redis.Redis, as_user: AsUser, auditor: User, deployment: Deployment, url: str
) -> None:
    page = as_user(auditor).get(url)

    assert page.status_code == 200
    assert "Own model" in page.text
    assert "60 of 60 left" in page.text


@pytest.mark.parametrize("url", [PAGE, LIVE])
def test_stranger_finds_no_queues(as_user: AsUser, charlie: User, deployment: Deployment, url: str) -> None:
    assert as_user(charlie).get(url).status_code == 404


def test_page_refreshes_its_fragment(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    text = as_user(bob).get(PAGE).text

    assert f'hx-get="{LIVE}"' in text
    assert "every 2s" in text


def test_fragment_is_a_part_of_the_page(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    client = as_user(bob)

    assert "<html" not in client.get(LIVE).text
    assert client.get(LIVE).text.strip() in client.get(PAGE).text


def test_page_without_deployments_says_how_to_get_one(
    redis_server: redis.Redis, as_user: AsUser, bob: User
) -> None:
    text = as_user(bob).get(PAGE).text

    assert "No deployment to call" in text
    assert reverse("providers:list", args=["handbook"]) in text


@pytest.mark.parametrize("url", [PAGE, LIVE])
def test_page_says_that_redis_is_gone(
    as_user: AsUser, bob: User, deployment: Deployment, redis_gone: Callable[[], None], url: str
) -> None:
    client = as_user(bob)
    redis_gone()
    page = client.get(url)

    assert page.status_code == 200
    assert "Redis does not answer" in page.text
    assert "limit 60" in page.text


def test_page_shows_who_waits(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment, basic: Tier
) -> None:
    publish(redis_server, basic={"weight": 2})
    upstream = Upstream(redis_server, name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.feedback("rate", retry_after_ms=60_000)
    upstream.enqueue(tier="basic", wait_ms=120_000)
    text = as_user(bob).get(LIVE).text

    assert "Paused by the provider" in text
    assert "1, the oldest for" in text


def test_members_read_the_tiers_and_cannot_change_them(
    redis_server: redis.Redis, as_user: AsUser, alice: User, basic: Tier
) -> None:
    text = as_user(alice).get(PAGE).text

    assert "Basic" in text
    assert tier_url(basic) not in text


def test_site_admin_finds_the_way_to_each_tier(
    redis_server: redis.Redis, as_user: AsUser, project: Project, site_admin: User, basic: Tier
) -> None:
    assert tier_url(basic) in as_user(site_admin).get(PAGE).text


def test_only_site_admins_open_the_tier_pages(as_user: AsUser, alice: User, basic: Tier) -> None:
    client = as_user(alice)
    urls = [TIERS, tier_url(basic), reverse("operations:new_tier")]

    assert {client.get(url).status_code for url in urls} == {403}


def test_only_site_admins_change_a_tier(as_user: AsUser, alice: User, basic: Tier) -> None:
    client = as_user(alice)
    urls = [tier_url(basic), reverse("operations:new_tier")]

    assert {client.post(url, VALUES | {"slug": "new"}).status_code for url in urls} == {403}
    basic.refresh_from_db()
    assert basic.weight == 2
    assert not Tier.objects.filter(slug="new").exists()


def test_unknown_tier_is_not_found(as_user: AsUser, site_admin: User) -> None:
    assert as_user(site_admin).get(reverse("operations:tier", args=["nobody"])).status_code == 404


def test_saved_tier_is_in_force(
    redis_server: redis.Redis,
    as_user: AsUser,
    site_admin: User,
    basic: Tier,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_user(site_admin).post(tier_url(basic), VALUES)

    assert (answer.status_code, answer.headers["Location"]) == (303, TIERS)
    assert redis_server.hget(TIERS_KEY, "basic:weight") == "7"


def test_tier_list_shows_the_last_changes(
    redis_server: redis.Redis, as_user: AsUser, site_admin: User, basic: Tier
) -> None:
    client = as_user(site_admin)
    client.post(tier_url(basic), VALUES)
    text = client.get(TIERS).text

    assert "Tier changed" in text
    assert "weight" in text


def test_refused_number_is_explained_and_nothing_changes(
    redis_server: redis.Redis, as_user: AsUser, site_admin: User, basic: Tier
) -> None:
    page = as_user(site_admin).post(tier_url(basic), VALUES | {"weight": "0"})

    assert "a tier of weight 0 would never be served" in page.text
    assert not AuditEntry.objects.exists()


def test_new_tier_is_saved(redis_server: redis.Redis, as_user: AsUser, site_admin: User) -> None:
    as_user(site_admin).post(reverse("operations:new_tier"), VALUES | {"slug": "basic"})

    assert Tier.objects.get(slug="basic").weight == 7


def test_form_says_that_nothing_was_changed_without_redis(
    as_user: AsUser, site_admin: User, basic: Tier, redis_gone: Callable[[], None]
) -> None:
    client = as_user(site_admin)
    redis_gone()
    page = client.post(tier_url(basic), VALUES)

    assert "Nothing was changed" in page.text
    assert 'value="7"' in page.text
    basic.refresh_from_db()
    assert basic.weight == 2


def test_admin_resumes_a_deployment_of_the_project(
    redis_server: redis.Redis, as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, name=f"d{deployment.pk}")
    upstream.feedback("out_of_credit")
    client = as_user(alice)
    shown = client.get(LIVE).text
    client.post(resume_url(deployment))

    assert "Out of credit" in shown
    assert upstream.enqueue()["status"] == "granted"


def test_member_is_told_who_resumes(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment, site_deployment: Deployment
) -> None:
    for out_of_credit in (deployment, site_deployment):
        Upstream(redis_server, name=f"d{out_of_credit.pk}").feedback("out_of_credit")
    text = as_user(bob).get(LIVE).text

    assert "An admin of the project does that" in text
    assert "A site admin does that" in text
    assert "Resume calls" not in text


def test_member_may_not_resume(as_user: AsUser, bob: User, deployment: Deployment) -> None:
    assert as_user(bob).post(resume_url(deployment)).status_code == 403


def test_project_admin_may_not_resume_what_the_whole_site_uses(
    as_user: AsUser, alice: User, site_deployment: Deployment
) -> None:
    assert as_user(alice).post(resume_url(site_deployment)).status_code == 403


def test_stranger_may_not_resume(as_user: AsUser, charlie: User, deployment: Deployment) -> None:
    assert as_user(charlie).post(resume_url(deployment)).status_code == 404


def test_resuming_needs_a_post(as_user: AsUser, alice: User, deployment: Deployment) -> None:
    assert as_user(alice).get(resume_url(deployment)).status_code == 405

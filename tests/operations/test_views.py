"""The limits page and histories: who sees what, who may resume what, and what Redis being away means."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from readiness.accounts.models import User
from readiness.lib.formats import SPACE
from readiness.limits.tickets import ProviderWord
from readiness.operations.drill_services import start_drill
from readiness.projects.models import Project, Tier, TierOverride
from readiness.providers.base import Quota
from readiness.providers.models import Deployment
from readiness.telemetry.models import Grain, RequestRecord, Rollup
from tests.builders import make_account, make_deployment, make_sample
from tests.limits.harness import Upstream, publish

AsUser = Callable[[User], Client]

PAGE = reverse("operations:limits", args=["handbook"])
LIVE = reverse("operations:limits_live", args=["handbook"])


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


def history_url(deployment: Deployment) -> str:
    return reverse("operations:history", args=["handbook", deployment.pk])


def write_refusal(deployment: Deployment, *, refused_by: str) -> None:
    number = RequestRecord.objects.count()
    RequestRecord.objects.create(
        event_id=f"e{number}",
        request_id=f"r{number}",
        at=timezone.now(),
        project=deployment.account.project,
        deployment=deployment,
        outcome="refused",
        error_class="over_cap",
        refused_by=refused_by,
        retry_after_ms=30_000,
        purpose="app",
    )


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


def test_parts_that_change_are_parts_of_the_page(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    client = as_user(bob)
    fragment, page = client.get(LIVE).text, client.get(PAGE).text
    part = fragment[fragment.index("<section") : fragment.index("</section>")]

    assert "<html" not in fragment
    assert part in page
    assert f'hx-select-oob="#trouble,#live-{deployment.pk}"' in page
    assert f'id="live-{deployment.pk}"' in part
    assert 'id="trouble"' in fragment


def test_page_says_at_its_top_that_calls_were_refused(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    client = as_user(bob)
    assert "refused by our limits within a day: " not in client.get(PAGE).text
    for _ in range(2):
        write_refusal(deployment, refused_by="project:1 rpm")

    assert "2 requests of this project were refused by our limits within a day: " in client.get(PAGE).text


def test_tiers_are_shown_with_what_the_project_gets_otherwise(
    redis_server: redis.Redis, as_user: AsUser, bob: User, project: Project, basic: Tier
) -> None:
    other = Project.objects.create(name="Other", slug="other")
    TierOverride.objects.create(tier=basic, project=other, weight=77)
    TierOverride.objects.create(tier=basic, project=project, end_user="eve", weight=78)
    TierOverride.objects.create(tier=basic, project=project, requests_per_minute=300)
    text = as_user(bob).get(PAGE).text

    assert "Basic, this project" in text
    assert "300 requests per minute" in text
    assert not re.search(r"\b7[78]\b", text)  # as a word: a token may hold the digits by chance


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


def test_page_without_redis_shows_what_was_seen_last(
    as_user: AsUser, bob: User, deployment: Deployment, redis_gone: Callable[[], None]
) -> None:
    make_sample(deployment, timezone.now() - timedelta(minutes=3), waiting=12, levels={"rpm": 0.42})
    client = as_user(bob)
    redis_gone()
    text = client.get(PAGE).text.replace(SPACE, " ")

    assert "42 % of it left when last seen" in text
    assert "12 when last seen" in text
    assert "3 min ago" in text


def test_page_shows_who_waits(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment, basic: Tier
) -> None:
    publish(redis_server, basic={"weight": 2})
    upstream = Upstream(redis_server, name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=60_000)
    upstream.enqueue(tier="basic", wait_ms=120_000)
    text = as_user(bob).get(LIVE).text

    assert "Paused by the provider" in text
    assert "1, the oldest for" in text


def test_page_says_what_the_provider_says_of_the_quota(
    redis_server: redis.Redis, as_user: AsUser, bob: User, project: Project
) -> None:
    deployment = make_deployment(make_account(project, rpm=300), name="Own model", tpm=90_000)
    upstream = Upstream(redis_server, Quota(rpm=600, tpm=90_000), name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.configure()
    word = ProviderWord(kind="ok", limits={"tokens": 60_000})
    upstream.run("feedback", *word.to_args(0))
    text = as_user(bob).get(LIVE).text

    assert "the provider says 60,000, configured are 90,000" in text
    assert "Whole account" in text
    assert "300 of 300 left" in text


def test_drill_in_progress_has_a_link_to_look_again_without_javascript(
    redis_server: redis.Redis, as_user: AsUser, bob: User, project: Project
) -> None:
    drill = start_drill(name="storm", project=project, actor=None, now=timezone.now())
    url = reverse("operations:drill", args=["handbook", drill.pk])

    assert f'<noscript><a class="button" href="{url}">Refresh</a></noscript>' in as_user(bob).get(url).text


def test_page_explains_what_was_refused(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    write_refusal(deployment, refused_by="site rpm")
    text = as_user(bob).get(PAGE).text

    assert "The requests per minute of the whole site had been used up." in text
    assert "1 in all" in text


def test_refusal_is_escaped(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    write_refusal(deployment, refused_by=f"user:{deployment.account.project_id}:%3Cb%3Eeve rpm")
    text = as_user(bob).get(PAGE).text

    assert "end user &lt;b&gt;eve" in text
    assert "<b>eve" not in text


def test_page_without_refusals_says_so(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    assert "No request of this project was refused" in as_user(bob).get(PAGE).text


@pytest.mark.parametrize("span", ["", "1h", "6h", "24h", "nonsense"])
def test_everybody_in_the_project_sees_the_history(
    redis_server: redis.Redis, as_user: AsUser, auditor: User, deployment: Deployment, span: str
) -> None:
    make_sample(deployment, timezone.now(), waiting=3, waiting_by_tier={"free": 3}, levels={"rpm": 0.5})
    page = as_user(auditor).get(history_url(deployment), {"range": span})

    assert page.status_code == 200
    assert "3 waited at the most" in page.text


def test_stranger_finds_no_history(as_user: AsUser, charlie: User, deployment: Deployment) -> None:
    assert as_user(charlie).get(history_url(deployment)).status_code == 404


def test_other_projects_deployment_has_no_history_here(as_user: AsUser, bob: User) -> None:
    other = Project.objects.create(name="Other", slug="other")

    assert as_user(bob).get(history_url(make_deployment(make_account(other)))).status_code == 404


def test_history_is_fetched_into_the_page_and_stands_alone_too(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    client = as_user(bob)
    url = history_url(deployment)

    assert f'hx-get="{url}" hx-trigger="revealed"' in client.get(PAGE).text
    assert "<html" in client.get(url).text
    fragment = client.get(url, headers={"HX-Request": "true"})
    assert fragment.text.lstrip().startswith(f'<div class="history" id="history-{deployment.pk}">')
    assert fragment.headers["Vary"].count("HX-Request") == 1


def test_history_without_anything_says_what_will_be_there(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    text = as_user(bob).get(history_url(deployment)).text

    assert "Nobody looked at this deployment" in text
    assert "No request of this project waited here" in text
    assert "No orphan within a day" in text


def test_history_leads_from_orphans_to_the_traffic(
    redis_server: redis.Redis, as_user: AsUser, bob: User, deployment: Deployment
) -> None:
    Rollup.objects.create(
        grain=Grain.HOUR,
        start=timezone.now().replace(minute=0, second=0, microsecond=0),
        project=deployment.account.project,
        deployment=deployment,
        purpose="app",
        orphaned=2,
    )
    text = as_user(bob).get(history_url(deployment)).text
    traffic = reverse("telemetry:traffic", args=["handbook"])

    assert f'href="{traffic}?range=24h&amp;deployment={deployment.pk}">2 orphans</a>' in text


def test_history_of_the_simulated_service_is_marked(
    redis_server: redis.Redis, as_user: AsUser, bob: User, project: Project
) -> None:
    deployment = make_deployment(make_account(project, simulated=True))

    assert "Simulated" in as_user(bob).get(history_url(deployment), headers={"HX-Request": "true"}).text


def test_number_of_queries_does_not_grow_with_what_happened(
    redis_server: redis.Redis,
    as_user: AsUser,
    bob: User,
    deployment: Deployment,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client, url = as_user(bob), history_url(deployment)
    now = timezone.now().replace(second=0, microsecond=0)
    with CaptureQueriesContext(connection) as few:
        client.get(url), client.get(PAGE)
    for minute in range(20):
        make_sample(deployment, now - timedelta(minutes=minute))
        write_refusal(deployment, refused_by=f"tier:t{minute} rpm")
        make_deployment(deployment.account)
    with django_assert_num_queries(len(few)):
        client.get(url), client.get(PAGE)


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


def test_admin_resumes_a_deployment_of_the_project(
    redis_server: redis.Redis, as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, name=f"d{deployment.pk}")
    upstream.configure()
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
        upstream = Upstream(redis_server, name=f"d{out_of_credit.pk}")
        upstream.configure()
        upstream.feedback("out_of_credit")
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

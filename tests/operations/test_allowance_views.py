"""The pages of allowances: a project's for its admins, all of them for site admins."""

import re
from collections.abc import Callable

import pytest
import redis
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from readiness.accounts.models import User
from readiness.limits.services import publish_policy
from readiness.operations.allowance_forms import NewSiteAllowanceForm
from readiness.operations.allowance_views import ALLOWANCES_PAGE
from readiness.projects.models import Allowance, AllowanceKind, Project
from readiness.telemetry.models import RequestRecord
from tests.limits.harness import Upstream
from tests.limits.published import published

AsUser = Callable[[User], Client]

OF_SITE = reverse("operations:allowances")
OF_PROJECT = reverse("operations:project_allowances", args=["handbook"])
NEW_OF_SITE = reverse("operations:new_allowance")
NEW_OF_PROJECT = reverse("operations:new_project_allowance", args=["handbook"])


@pytest.fixture
def own(project: Project) -> Allowance:
    """The project's."""
    return Allowance.objects.create(
        project=project, kind=AllowanceKind.END_USER, subject="ada", requests_per_minute=5
    )


@pytest.fixture
def foreign(project: Project) -> Allowance:
    """Another project's."""
    other = Project.objects.create(name="Other", slug="other")
    return Allowance.objects.create(project=other, kind=AllowanceKind.ALL, requests_per_minute=6)


@pytest.fixture
def of_site(db: None) -> Allowance:
    return Allowance.objects.create(kind=AllowanceKind.ALL, requests_per_minute=7)


def project_url(name: str, allowance: Allowance) -> str:
    return reverse(f"operations:{name}", args=["handbook", allowance.pk])


def site_url(name: str, allowance: Allowance) -> str:
    return reverse(f"operations:{name}", args=[allowance.pk])


def project_addresses(allowance: Allowance) -> list[str]:
    names = ("project_allowance", "remove_project_allowance")
    return [OF_PROJECT, NEW_OF_PROJECT, *(project_url(name, allowance) for name in names)]


def site_addresses(allowance: Allowance) -> list[str]:
    return [OF_SITE, NEW_OF_SITE, *(site_url(name, allowance) for name in ("allowance", "remove_allowance"))]


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("alice", 200),
        ("site_admin", 200),
        ("rita", 403),
        ("bob", 403),
        ("auditor", 403),
        ("charlie", 404),
    ],
)
def test_projects_allowances_are_for_its_admins(
    request: pytest.FixtureRequest, as_user: AsUser, own: Allowance, who: str, status: int
) -> None:
    client = as_user(request.getfixturevalue(who))

    assert {client.get(url).status_code for url in project_addresses(own)} == {status}


@pytest.mark.parametrize(("who", "status"), [("site_admin", 200), ("alice", 403), ("charlie", 403)])
def test_sites_allowances_are_for_site_admins(
    request: pytest.FixtureRequest, as_user: AsUser, own: Allowance, who: str, status: int
) -> None:
    client = as_user(request.getfixturevalue(who))

    assert {client.get(url).status_code for url in site_addresses(own)} == {status}


@pytest.mark.parametrize("who", ["alice", "bob", "charlie"])
def test_nobody_else_changes_the_sites_allowances(
    request: pytest.FixtureRequest, as_user: AsUser, own: Allowance, who: str
) -> None:
    client = as_user(request.getfixturevalue(who))
    data = {"kind": "all", "requests_per_minute": "9"}

    assert {client.post(url, data).status_code for url in site_addresses(own)[1:]} == {403}
    assert list(Allowance.objects.values_list("requests_per_minute", flat=True)) == [5]


@pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
def test_nobody_else_changes_the_projects_allowances(
    request: pytest.FixtureRequest, as_user: AsUser, own: Allowance, who: str, status: int
) -> None:
    client = as_user(request.getfixturevalue(who))
    data = {"kind": "all", "requests_per_minute": "9"}

    assert {client.post(url, data).status_code for url in project_addresses(own)[1:]} == {status}
    assert list(Allowance.objects.values_list("requests_per_minute", flat=True)) == [5]


@pytest.mark.parametrize("whose", ["foreign", "of_site"])
def test_project_admin_does_not_reach_what_is_not_the_projects(
    request: pytest.FixtureRequest, as_user: AsUser, alice: User, whose: str
) -> None:
    client = as_user(alice)
    allowance = request.getfixturevalue(whose)
    urls = [project_url(name, allowance) for name in ("project_allowance", "remove_project_allowance")]

    assert {client.post(url, {"requests_per_minute": "9"}).status_code for url in urls} == {404}
    allowance.refresh_from_db()
    assert allowance.requests_per_minute != 9


def test_project_page_lists_the_projects_only(
    as_user: AsUser, alice: User, own: Allowance, foreign: Allowance, of_site: Allowance
) -> None:
    text = as_user(alice).get(OF_PROJECT).text

    assert "5 requests per minute" in text
    assert "6 requests per minute" not in text
    assert "7 requests per minute" not in text
    assert project_url("remove_project_allowance", own) in text


def test_site_page_lists_all(
    as_user: AsUser, site_admin: User, own: Allowance, foreign: Allowance, of_site: Allowance
) -> None:
    text = as_user(site_admin).get(OF_SITE).text

    assert all(f"{limit} requests per minute" in text for limit in (5, 6, 7))
    assert site_url("allowance", own) in text


def test_empty_page_says_what_an_allowance_is_good_for(as_user: AsUser, alice: User) -> None:
    assert "stops a stolen key" in as_user(alice).get(OF_PROJECT).text


def test_long_list_is_searched(as_user: AsUser, alice: User, project: Project) -> None:
    Allowance.objects.bulk_create(
        Allowance(
            project=project, kind=AllowanceKind.END_USER, subject=f"user {number}", requests_per_minute=1
        )
        for number in range(ALLOWANCES_PAGE + 1)
    )
    client = as_user(alice)

    assert "1–50 of 51" in client.get(OF_PROJECT).text
    found = client.get(OF_PROJECT, {"q": "user 42"}).text
    assert "user 42" in found
    assert "user 41" not in found


def test_new_allowance_of_a_project_is_in_force(
    redis_server: redis.Redis,
    as_user: AsUser,
    alice: User,
    project: Project,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_user(alice).post(NEW_OF_PROJECT, {"kind": "end_user", "usd_per_month": "10"})

    assert answer.headers["Location"] == OF_PROJECT
    assert published(redis_server)[f"cap:users:{project.pk}"] == {"month": 10_000_000_000}


@pytest.mark.parametrize(("usd", "warned"), [("0.01", True), ("25", False)])
def test_budget_that_is_spent_already_is_told(
    redis_server: redis.Redis, as_user: AsUser, alice: User, project: Project, usd: str, warned: bool
) -> None:
    paid = {"outcome": "ok", "tier": "free", "purpose": "app", "cost_nanos": 390_000_000}
    RequestRecord.objects.create(event_id="e", request_id="r", project=project, at=timezone.now(), **paid)
    response = as_user(alice).post(NEW_OF_PROJECT, {"kind": "all", "usd_per_day": usd}, follow=True)

    told = "$0.39 were spent today already, so every call is refused until"
    assert (told in response.content.decode()) is warned


def test_new_allowance_of_a_key_is_in_force(
    redis_server: redis.Redis,
    as_user: AsUser,
    site_admin: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    data = {"kind": "api_key", "subject": "k1", "tokens_per_minute": "900"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_user(site_admin).post(NEW_OF_SITE, data)

    assert answer.headers["Location"] == OF_SITE
    assert published(redis_server)["cap:key:k1"] == {"tpm": 900}


def test_key_that_somebody_limited_a_moment_ago_is_told_in_words(
    redis_server: redis.Redis,
    as_user: AsUser,
    site_admin: User,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        NewSiteAllowanceForm, "clean", lambda form: form.cleaned_data
    )  # it looked before that
    Allowance.objects.create(kind="api_key", subject="k1", project=project, requests_per_minute=5)
    data = {"kind": "api_key", "subject": "k1", "tokens_per_minute": "900"}
    answer = as_user(site_admin).post(NEW_OF_SITE, data)

    assert "Somebody set this meanwhile" in answer.text
    assert Allowance.objects.get().requests_per_minute == 5


def test_changed_allowance_keeps_whom_it_is_for(
    redis_server: redis.Redis, as_user: AsUser, alice: User, own: Allowance
) -> None:
    data = {"kind": "all", "subject": "eve", "usd_per_day": "1"}
    as_user(alice).post(project_url("project_allowance", own), data)
    own.refresh_from_db()

    assert (own.kind, own.subject, own.requests_per_minute, own.usd_per_day) == ("end_user", "ada", None, 1)


def test_site_admin_changes_a_projects_allowance_from_the_sites_page(
    redis_server: redis.Redis, as_user: AsUser, site_admin: User, own: Allowance, project: Project
) -> None:
    as_user(site_admin).post(site_url("allowance", own), {"requests_per_minute": "9"})
    own.refresh_from_db()

    assert (own.project, own.requests_per_minute) == (project, 9)


@pytest.fixture
def budgets(project: Project) -> list[Allowance]:
    """In force: on the project, on one end user, and on each end user."""
    of_user = {"project": project, "kind": AllowanceKind.END_USER}
    rows = [
        Allowance(project=project, kind=AllowanceKind.ALL, usd_per_day=5, usd_per_month=50),
        Allowance(**of_user, subject="ada", usd_per_day=2),
        Allowance(**of_user, usd_per_day=1),
    ]
    return Allowance.objects.bulk_create(rows)


def spent_cells(page: str) -> list[list[str]]:
    """Of each row of the list, the words of its third column."""
    rows = re.findall(r"<tr>\s*<th.*?</tr>", page.split("<tbody>")[1], flags=re.DOTALL)
    cells = (re.findall(r"<td>(.*?)</td>", row, flags=re.DOTALL)[1] for row in rows)
    return [re.findall(r"<li>(.*?)</li>", cell) or [cell] for cell in cells]


def test_list_shows_what_is_spent_of_each_budget(
    redis_server: redis.Redis, as_user: AsUser, alice: User, project: Project, budgets: list[Allowance]
) -> None:
    publish_policy()
    upstream = Upstream(redis_server)
    upstream.follow_server()
    upstream.load_money(f"project:{project.pk}", 0, 30_000_000_000)
    upstream.enqueue(project_id=project.pk, nanos=420_000_000)

    assert spent_cells(as_user(alice).get(OF_PROJECT).text) == [
        ["$0.42 today", "$30.42 this month"],
        ["–"],  # on each end user
        ["– today"],  # nobody called for ada yet
    ]


def test_list_is_there_without_redis(
    as_user: AsUser, alice: User, budgets: list[Allowance], redis_gone: Callable[[], None]
) -> None:
    client = as_user(alice)
    redis_gone()

    assert spent_cells(client.get(OF_PROJECT).text) == [["–"], ["–"], ["–"]]


def test_removing_an_allowance_asks_first(
    redis_server: redis.Redis, as_user: AsUser, alice: User, own: Allowance
) -> None:
    client = as_user(alice)
    url = project_url("remove_project_allowance", own)

    assert "Remove allowance" in client.get(url).text
    assert Allowance.objects.exists()
    client.post(url)
    assert not Allowance.objects.exists()


def test_form_says_that_nothing_was_changed_without_redis(
    as_user: AsUser, alice: User, own: Allowance, redis_gone: Callable[[], None]
) -> None:
    client = as_user(alice)
    redis_gone()
    page = client.post(project_url("project_allowance", own), {"requests_per_minute": "9"})

    assert "Nothing was changed" in page.text
    own.refresh_from_db()
    assert own.requests_per_minute == 5


@pytest.mark.parametrize(("who", "is_shown"), [("alice", True), ("bob", False)])
def test_limits_page_leads_admins_to_the_allowances(
    request: pytest.FixtureRequest,
    redis_server: redis.Redis,
    as_user: AsUser,
    project: Project,
    who: str,
    is_shown: bool,
) -> None:
    page = as_user(request.getfixturevalue(who)).get(reverse("operations:limits", args=["handbook"]))

    assert (OF_PROJECT in page.text) == is_shown

"""The pages of tiers and their overrides: who may change what, and what Redis being away means."""

import re
from collections.abc import Callable

import pytest
import redis
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from readiness.accounts.models import AuditEntry, User
from readiness.operations.forms import NewTierForm
from readiness.operations.tier_views import OVERRIDES_PAGE
from readiness.projects.models import Project, Tier, TierOverride
from tests.limits.published import published

AsUser = Callable[[User], Client]

TIERS = reverse("operations:tiers")
VALUES = {"name": "Basic", "weight": "7", "longest_wait_seconds": "30"}


@pytest.fixture
def basic(db: None) -> Tier:
    return Tier.objects.create(slug="basic", name="Basic", weight=2, longest_wait_seconds=30)


@pytest.fixture
def override(basic: Tier, project: Project) -> TierOverride:
    return TierOverride.objects.create(tier=basic, project=project, end_user="ada", weight=5)


def tier_url(tier: Tier) -> str:
    return reverse("operations:tier", args=[tier.slug])


def new_override_url(tier: Tier) -> str:
    return reverse("operations:new_override", args=[tier.slug])


def override_url(override: TierOverride, name: str = "override") -> str:
    return reverse(f"operations:{name}", args=[override.tier.slug, override.pk])


def addresses(override: TierOverride) -> list[str]:
    """Of every page of a tier."""
    return [
        tier_url(override.tier),
        reverse("operations:new_tier"),
        new_override_url(override.tier),
        override_url(override),
        override_url(override, "remove_override"),
    ]


@pytest.mark.parametrize("who", ["alice", "bob", "charlie"])
def test_only_site_admins_open_the_tier_pages(
    request: pytest.FixtureRequest, as_user: AsUser, override: TierOverride, who: str
) -> None:
    client = as_user(request.getfixturevalue(who))

    assert {client.get(url).status_code for url in [TIERS, *addresses(override)]} == {403}


def test_only_site_admins_change_tiers_and_overrides(
    as_user: AsUser, alice: User, override: TierOverride
) -> None:
    client = as_user(alice)
    data = VALUES | {"slug": "fresh", "project": str(override.project_id)}

    assert {client.post(url, data).status_code for url in addresses(override)} == {403}
    assert Tier.objects.get(slug="basic").weight == 2
    assert not Tier.objects.filter(slug="fresh").exists()
    assert list(TierOverride.objects.values_list("weight", flat=True)) == [5]


def test_site_admin_opens_every_page(as_user: AsUser, site_admin: User, override: TierOverride) -> None:
    client = as_user(site_admin)

    assert {client.get(url).status_code for url in [TIERS, *addresses(override)]} == {200}


def test_unknown_tier_is_not_found(as_user: AsUser, site_admin: User) -> None:
    client = as_user(site_admin)

    assert client.get(reverse("operations:tier", args=["nobody"])).status_code == 404
    assert client.get(reverse("operations:new_override", args=["nobody"])).status_code == 404


@pytest.mark.parametrize("name", ["override", "remove_override"])
def test_override_is_not_found_under_another_tier(
    as_user: AsUser, site_admin: User, override: TierOverride, name: str
) -> None:
    Tier.objects.create(slug="other", name="Other")

    assert (
        as_user(site_admin).get(reverse(f"operations:{name}", args=["other", override.pk])).status_code == 404
    )


def test_saved_tier_is_in_force(
    redis_server: redis.Redis,
    as_user: AsUser,
    site_admin: User,
    basic: Tier,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_user(site_admin).post(tier_url(basic), VALUES | {"usd_per_day": "2.50"})

    assert (answer.status_code, answer.headers["Location"]) == (303, TIERS)
    line = published(redis_server)["tier:basic"]
    assert (line["weight"], line["limits"]) == (7, {"day": [2_500_000_000, "tier:basic"]})


def seen_on(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found
    return found[1]


def test_change_of_somebody_else_is_not_overwritten_unseen(
    redis_server: redis.Redis, as_user: AsUser, site_admin: User, basic: Tier
) -> None:
    client = as_user(site_admin)
    values = {"name": "Basic", "weight": "3", "longest_wait_seconds": "60"}
    values["seen"] = seen_on(client.get(tier_url(basic)).content.decode())
    Tier.objects.update(requests_per_minute=30)
    refused = client.post(tier_url(basic), values).content.decode()
    assert "Somebody changed this while you had it open." in refused
    basic.refresh_from_db()
    assert basic.requests_per_minute == 30

    client.post(tier_url(basic), values | {"seen": seen_on(refused)})
    basic.refresh_from_db()
    assert (basic.weight, basic.requests_per_minute) == (3, None)


def test_numbers_are_sent_as_they_were_typed(as_user: AsUser, site_admin: User, basic: Tier) -> None:
    page = as_user(site_admin).get(tier_url(basic)).content.decode()

    assert 'type="number"' not in page
    assert '<input type="text" inputmode="decimal" autocomplete="off" name="weight"' in page


def test_tier_list_shows_the_last_changes(
    redis_server: redis.Redis, as_user: AsUser, site_admin: User, basic: Tier
) -> None:
    client = as_user(site_admin)
    client.post(tier_url(basic), VALUES)
    text = client.get(TIERS).text

    assert "Tier changed" in text
    assert "weight" in text


def test_tier_list_counts_overrides_and_has_the_heaviest_first(
    as_user: AsUser, site_admin: User, override: TierOverride
) -> None:
    Tier.objects.create(slug="heavy", name="Heavy", weight=900, usd_per_month="1240.50")
    text = as_user(site_admin).get(TIERS).text

    assert text.index(">Heavy ") < text.index(">Basic ")
    assert "1 override<" in text
    assert "$1,240.50 a month" in text


def test_refused_number_is_explained_and_nothing_changes(
    redis_server: redis.Redis, as_user: AsUser, site_admin: User, basic: Tier
) -> None:
    page = as_user(site_admin).post(tier_url(basic), VALUES | {"weight": "0"})

    assert "a tier of weight 0 would never be served" in page.text
    assert not AuditEntry.objects.exists()


def test_new_tier_is_saved(redis_server: redis.Redis, as_user: AsUser, site_admin: User) -> None:
    as_user(site_admin).post(reverse("operations:new_tier"), VALUES | {"slug": "basic"})

    assert Tier.objects.get(slug="basic").weight == 7


def test_tier_that_somebody_added_a_moment_ago_is_told_in_words(
    redis_server: redis.Redis,
    as_user: AsUser,
    site_admin: User,
    basic: Tier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The form looked before that.
    monkeypatch.setattr(NewTierForm, "clean_slug", lambda form: form.cleaned_data["slug"])
    answer = as_user(site_admin).post(reverse("operations:new_tier"), VALUES | {"slug": "basic"})

    assert "Somebody set this meanwhile" in answer.text
    assert Tier.objects.get(slug="basic").weight == basic.weight


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


def test_tier_lists_who_gets_it_otherwise(as_user: AsUser, site_admin: User, override: TierOverride) -> None:
    text = as_user(site_admin).get(tier_url(override.tier)).text

    assert "end user “ada”" in text
    assert "weight 5" in text
    assert override_url(override) in text
    assert override_url(override, "remove_override") in text


def test_end_users_name_is_escaped(as_user: AsUser, site_admin: User, basic: Tier, project: Project) -> None:
    TierOverride.objects.create(tier=basic, project=project, end_user="<b>ada</b>", weight=5)
    client = as_user(site_admin)

    assert "<b>ada</b>" not in client.get(tier_url(basic)).text


def test_long_list_of_overrides_is_searched(
    as_user: AsUser, site_admin: User, basic: Tier, project: Project
) -> None:
    TierOverride.objects.bulk_create(
        TierOverride(tier=basic, project=project, end_user=f"user {number}", weight=2)
        for number in range(OVERRIDES_PAGE + 1)
    )
    client = as_user(site_admin)

    assert "1–50 of 51" in client.get(tier_url(basic)).text
    found = client.get(tier_url(basic), {"q": "user 42"}).text
    assert "user 42" in found
    assert "user 41" not in found


def test_number_of_queries_does_not_grow_with_overrides(
    as_user: AsUser, site_admin: User, basic: Tier, project: Project
) -> None:
    client = as_user(site_admin)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(tier_url(basic))
        return len(captured)

    TierOverride.objects.create(tier=basic, project=project, weight=2)
    with_one = queries()
    for end_user in "abcde":
        TierOverride.objects.create(tier=basic, project=project, end_user=end_user, weight=2)
    assert queries() == with_one


def test_new_override_is_in_force(
    redis_server: redis.Redis,
    as_user: AsUser,
    site_admin: User,
    basic: Tier,
    project: Project,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    data = {"project": str(project.pk), "end_user": "ada", "requests_per_minute": "5"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_user(site_admin).post(new_override_url(basic), data)

    assert answer.headers["Location"] == tier_url(basic)
    scope = f"tier:basic/{project.pk}/ada"
    assert published(redis_server)[scope]["limits"] == {"rpm": [5, scope]}


def test_override_is_changed_and_what_is_emptied_is_inherited_again(
    redis_server: redis.Redis, as_user: AsUser, site_admin: User, override: TierOverride
) -> None:
    as_user(site_admin).post(override_url(override), {"weight": "", "concurrency": "3"})
    override.refresh_from_db()

    assert (override.weight, override.concurrency) == (None, 3)


def test_removing_an_override_asks_first(
    redis_server: redis.Redis, as_user: AsUser, site_admin: User, override: TierOverride
) -> None:
    client = as_user(site_admin)
    page = client.get(override_url(override, "remove_override"))

    assert "Remove override" in page.text
    assert TierOverride.objects.exists()
    client.post(override_url(override, "remove_override"))
    assert not TierOverride.objects.exists()


def test_override_stays_when_redis_is_gone(
    as_user: AsUser, site_admin: User, override: TierOverride, redis_gone: Callable[[], None]
) -> None:
    client = as_user(site_admin)
    redis_gone()
    page = client.post(override_url(override, "remove_override"), follow=True)

    assert "Nothing was changed" in page.text
    assert TierOverride.objects.exists()

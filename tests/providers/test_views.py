"""Pages of providers: who may do what, and what a person sees of a key (nothing)."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from readiness.accounts.models import User
from readiness.lib import crypto
from readiness.projects.models import Project
from readiness.providers import services
from readiness.providers.models import Deployment, PriceOverride, ProviderAccount
from readiness.providers.services import Price
from tests.builders import make_account, make_deployment
from tests.providers.conftest import KEY

SIMULATOR = "http://simulator:8790/v1"
HTMX = {"HX-Request": "true"}
AsUser = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _simulator(settings: Settings) -> None:
    settings.SIMULATOR_URL = SIMULATOR


@pytest.fixture
def deployment(project: Project) -> Deployment:
    """A deployment of the project's own account."""
    return make_deployment(make_account(project, name="Own account"), name="Own model", model="own-model")


@pytest.fixture
def site_deployment(project: Project) -> Deployment:
    """A deployment of an account of the whole site."""
    return make_deployment(make_account(None, name="Site account"), name="Site model")


def url(name: str, *args: object) -> str:
    return reverse(f"providers:{name}", args=["handbook", *args])


def pages(deployment: Deployment) -> dict[str, str]:
    account = deployment.account_id
    return {
        "new_account": url("new_account"),
        "account": url("account", account),
        "delete_account": url("delete_account", account),
        "new_deployment": url("new_deployment", account),
        "deployment": url("deployment", deployment.pk),
        "delete_deployment": url("delete_deployment", deployment.pk),
    }


NO_PRICES = {"prices-TOTAL_FORMS": "0", "prices-INITIAL_FORMS": "0"}
ACCOUNT = {"name": "New account", "kind": "openai", "base_url": SIMULATOR, "api_key": KEY}
DEPLOYMENT = {"name": "New model", "model": "new-model", "max_output_tokens": "256", "rpm": "60"} | NO_PRICES


def test_everybody_in_the_project_reads_the_list(
    as_user: AsUser, auditor: User, deployment: Deployment, site_deployment: Deployment
) -> None:
    page = as_user(auditor).get(url("list"))
    assert page.status_code == 200
    for text in ("Own account", "own-model", "Site account", "Whole site", "A key is stored"):
        assert text in page.text
    assert "Test connection" not in page.text
    assert "sim-key" not in page.text


def test_list_without_accounts_says_what_belongs_there(as_user: AsUser, alice: User) -> None:
    page = as_user(alice).get(url("list")).text
    assert "No provider yet" in page
    assert url("new_account") in page


def test_stranger_finds_no_provider_page(as_user: AsUser, charlie: User, deployment: Deployment) -> None:
    client = as_user(charlie)
    addresses = [url("list"), *pages(deployment).values()]
    assert {client.get(address).status_code for address in addresses} == {404}
    assert client.post(url("test", deployment.account_id), headers=HTMX).status_code == 404


@pytest.mark.parametrize("person", ["bob", "rita", "auditor"])
def test_role_below_admin_changes_nothing(
    as_user: AsUser, request: pytest.FixtureRequest, person: str, deployment: Deployment
) -> None:
    client = as_user(request.getfixturevalue(person))
    for address in pages(deployment).values():
        assert client.get(address).status_code == 403
        assert client.post(address, ACCOUNT | DEPLOYMENT).status_code == 403
    assert client.post(url("test", deployment.account_id), headers=HTMX).status_code == 403
    assert ProviderAccount.objects.count() == Deployment.objects.count() == 1


def test_project_admin_cannot_change_accounts_of_the_site(
    as_user: AsUser, alice: User, site_deployment: Deployment
) -> None:
    client = as_user(alice)
    addresses = [page for name, page in pages(site_deployment).items() if name != "new_account"]
    assert {client.get(address).status_code for address in addresses} == {403}
    assert {client.post(address, ACCOUNT | DEPLOYMENT).status_code for address in addresses} == {403}
    assert client.post(url("test", site_deployment.account_id), headers=HTMX).status_code == 403
    assert "Edit account" not in client.get(url("list")).text


def test_accounts_of_another_project_are_not_found(
    as_user: AsUser, site_admin: User, project: Project
) -> None:
    other = Project.objects.create(name="Other", slug="other")
    deployment = make_deployment(make_account(other))
    client = as_user(site_admin)
    addresses = [page for name, page in pages(deployment).items() if name != "new_account"]
    assert {client.get(address).status_code for address in addresses} == {404}


def test_pages_of_an_admin_open_without_showing_the_key(
    as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    client = as_user(alice)
    for address in [url("list"), *pages(deployment).values()]:
        page = client.get(address)
        assert page.status_code == 200
        assert "sim-key" not in page.text
        assert "style=" not in page.text
    assert "A key is stored" in client.get(url("account", deployment.account_id)).text


def test_preset_fills_in_the_form(as_user: AsUser, alice: User) -> None:
    page = as_user(alice).get(url("new_account"), {"preset": "groq"})
    assert 'value="https://api.groq.com/openai/v1"' in page.text
    assert as_user(alice).get(url("new_account"), {"preset": "nonsense"}).status_code == 200


def test_preset_of_anthropic_chooses_its_api(as_user: AsUser, alice: User) -> None:
    page = as_user(alice).get(url("new_account"), {"preset": "anthropic"})
    assert 'value="https://api.anthropic.com/v1"' in page.text
    assert '<option value="anthropic" selected>' in page.text


def test_limits_of_an_account_are_stored_and_shown(as_user: AsUser, alice: User) -> None:
    client = as_user(alice)
    client.post(url("new_account"), ACCOUNT | {"rpm": "1000", "concurrency": "8"})
    assert "All models together: 1,000 RPM · 8 at once" in client.get(url("list")).text
    account = ProviderAccount.objects.get()
    client.post(url("account", account.pk), ACCOUNT | {"rpm": "", "concurrency": "9"})
    account.refresh_from_db()
    assert (account.rpm, account.concurrency) == (None, 9)


def test_quota_of_a_deployment_is_stored_with_the_way_it_is_counted(
    as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    data = {"itpm": "30000", "accounting": "anthropic", "window": "fixed", "edge_second": "7"}
    as_user(alice).post(url("deployment", deployment.pk), DEPLOYMENT | data)
    deployment.refresh_from_db()
    assert (deployment.itpm, deployment.accounting, deployment.window, deployment.edge_second) == (
        30_000,
        "anthropic",
        "fixed",
        7,
    )
    assert deployment.zone == "UTC"


def test_admin_adds_an_account_and_is_led_to_its_models(as_user: AsUser, alice: User) -> None:
    answer = as_user(alice).post(url("new_account"), ACCOUNT)
    account = ProviderAccount.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, url("new_deployment", account.pk))
    assert (account.project.slug, account.simulated) == ("handbook", True)  # type: ignore[union-attr]
    assert crypto.decrypt(bytes(account.credential_encrypted)) == KEY


def test_project_admin_cannot_add_an_account_for_the_site(as_user: AsUser, alice: User) -> None:
    as_user(alice).post(url("new_account"), ACCOUNT | {"site_wide": "on"})
    assert ProviderAccount.objects.get().project is not None


def test_site_admin_adds_an_account_for_the_site(as_user: AsUser, site_admin: User, project: Project) -> None:
    as_user(site_admin).post(url("new_account"), ACCOUNT | {"site_wide": "on"})
    assert ProviderAccount.objects.get().project is None


def test_refused_address_is_told_beside_its_field(as_user: AsUser, alice: User) -> None:
    page = as_user(alice).post(url("new_account"), ACCOUNT | {"base_url": "https://127.0.0.1/v1"})
    assert page.status_code == 200
    assert "private address" in page.text
    assert KEY not in page.text
    assert not ProviderAccount.objects.exists()


def test_admin_renames_an_account_and_the_key_stays(
    as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    account = deployment.account
    data = {"name": "Renamed", "base_url": account.base_url, "api_key": ""}
    assert as_user(alice).post(url("account", account.pk), data).status_code == 303
    account.refresh_from_db()
    assert account.name == "Renamed"
    assert crypto.decrypt(bytes(account.credential_encrypted)) == "sim-key"


def seen_on(page: str) -> str:
    """The digest of what a page shows, as the browser sends it back."""
    (digest,) = re.findall(r'name="seen" value="(\w+)"', page)
    return str(digest)


def test_account_that_was_changed_meanwhile_is_overwritten_only_when_meant(
    as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    client, account = as_user(alice), deployment.account
    address = url("account", account.pk)
    data = {"name": "Renamed", "base_url": account.base_url, "rpm": "90"}
    data["seen"] = seen_on(client.get(address).text)
    services.update_account(actor=None, account=account, name=account.name, base_url=account.base_url, rpm=60)

    refused = client.post(address, data).text
    assert "Somebody changed this while you had it open. Nothing was saved" in refused
    assert "save once more to overwrite their change" in refused
    assert 'value="Renamed"' in refused
    assert 'value="90"' in refused
    assert ProviderAccount.objects.get().rpm == 60

    assert client.post(address, data | {"seen": seen_on(refused)}).status_code == 303
    account.refresh_from_db()
    assert (account.name, account.rpm) == ("Renamed", 90)


def test_key_that_was_replaced_meanwhile_is_not_replaced_unseen(
    as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    client, account = as_user(alice), deployment.account
    address = url("account", account.pk)
    data = {"name": account.name, "base_url": account.base_url, "api_key": "sk-mine"}
    data["seen"] = seen_on(client.get(address).text)
    services.update_account(
        actor=None, account=account, name=account.name, base_url=account.base_url, api_key=KEY
    )
    refused = client.post(address, data).text
    assert "Somebody changed this" in refused
    assert "Enter the key again" in refused
    assert "sk-mine" not in refused
    assert crypto.decrypt(bytes(ProviderAccount.objects.get().credential_encrypted)) == KEY


PRICE = Price("output_token", Decimal("0.40"), date(2026, 1, 1))


@pytest.mark.parametrize("change", [{"tpm": 60_000}, {"prices": [PRICE]}], ids=["quota", "prices"])
def test_deployment_that_was_changed_meanwhile_is_overwritten_only_when_meant(
    as_user: AsUser, alice: User, deployment: Deployment, change: dict[str, Any]
) -> None:
    client, address = as_user(alice), url("deployment", deployment.pk)
    empty_row = {f"prices-0-{name}": "" for name in ("unit", "usd_per_million", "effective_from")}
    data = DEPLOYMENT | {"tpm": "90000", "prices-TOTAL_FORMS": "1"} | empty_row
    data["seen"] = seen_on(client.get(address).text)
    services.update_deployment(actor=None, deployment=deployment, **change)

    refused = client.post(address, data).text
    assert "Somebody changed this while you had it open. Nothing was saved" in refused
    assert 'value="90000"' in refused
    deployment.refresh_from_db()
    assert (deployment.name, deployment.tpm) == ("Own model", change.get("tpm"))
    assert services.prices_of(deployment) == change.get("prices", [])

    assert client.post(address, data | {"seen": seen_on(refused)}).status_code == 303
    deployment.refresh_from_db()
    assert (deployment.name, deployment.tpm, services.prices_of(deployment)) == ("New model", 90_000, [])


def test_change_meanwhile_is_told_beside_a_wrong_price(
    as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    data = DEPLOYMENT | {"seen": "older", "prices-TOTAL_FORMS": "1", "prices-0-unit": "gallons"}
    refused = as_user(alice).post(url("deployment", deployment.pk), data).text
    assert "Somebody changed this" in refused
    assert "Correct the marked prices" in refused


def test_deployment_that_nobody_changed_is_saved_at_once(
    as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    services.update_deployment(actor=None, deployment=deployment, parameters={"b": 1, "a": 2}, prices=[PRICE])
    client, address = as_user(alice), url("deployment", deployment.pk)
    data = DEPLOYMENT | {"seen": seen_on(client.get(address).text)}
    assert client.post(address, data).status_code == 303


def test_admin_renames_a_recorded_account(as_user: AsUser, alice: User, project: Project) -> None:
    account = make_account(project, kind="recorded", base_url="", credential_encrypted=b"")
    assert as_user(alice).post(url("account", account.pk), {"name": "Imported in May"}).status_code == 303
    account.refresh_from_db()
    assert (account.name, account.base_url) == ("Imported in May", "")


def test_admin_adds_a_deployment_with_a_price(as_user: AsUser, alice: User, deployment: Deployment) -> None:
    data = DEPLOYMENT | {
        "prices-TOTAL_FORMS": "1",
        "prices-0-unit": "output_token",
        "prices-0-usd_per_million": "0.40",
        "prices-0-effective_from": "2026-01-01",
    }
    assert as_user(alice).post(url("new_deployment", deployment.account_id), data).status_code == 303
    new = Deployment.objects.get(model="new-model")
    assert (new.rpm, new.tpm, new.active) == (60, None, True)
    assert PriceOverride.objects.get().deployment == new


def test_quota_of_zero_is_told_and_stores_nothing(
    as_user: AsUser, alice: User, deployment: Deployment
) -> None:
    page = as_user(alice).post(url("new_deployment", deployment.account_id), DEPLOYMENT | {"rpm": "0"})
    assert page.status_code == 200
    assert "Leave empty for no limit, or at least 1." in page.text
    assert Deployment.objects.count() == 1


def test_admin_switches_a_deployment_off(as_user: AsUser, alice: User, deployment: Deployment) -> None:
    data = DEPLOYMENT | {"model": deployment.model}
    assert as_user(alice).post(url("deployment", deployment.pk), data).status_code == 303
    deployment.refresh_from_db()
    assert (deployment.active, deployment.name) == (False, "New model")


def test_edit_page_shows_stored_prices(as_user: AsUser, alice: User, deployment: Deployment) -> None:
    PriceOverride.objects.create(
        deployment=deployment, unit="output_token", usd_per_million="0.40", effective_from="2026-01-01"
    )
    page = as_user(alice).get(url("deployment", deployment.pk)).text
    assert 'value="0.4"' in page
    assert 'value="2026-01-01"' in page


def test_admin_deletes_what_nothing_uses(as_user: AsUser, alice: User, deployment: Deployment) -> None:
    client = as_user(alice)
    client.post(url("delete_deployment", deployment.pk))
    client.post(url("delete_account", deployment.account_id))
    assert not ProviderAccount.objects.exists()


def test_get_deletes_nothing(as_user: AsUser, alice: User, deployment: Deployment) -> None:
    client = as_user(alice)
    assert "Delete for good" in client.get(url("delete_deployment", deployment.pk)).text
    assert Deployment.objects.exists()


def test_connection_test_answers_with_a_fragment(
    as_user: AsUser, alice: User, project: Project, models_url: str
) -> None:
    account = make_account(project, base_url=models_url, credential_encrypted=crypto.encrypt(KEY))
    answer = as_user(alice).post(url("test", account.pk), headers=HTMX)
    assert "Connected. The account offers 2 models." in answer.text
    assert "Simulated" in answer.text
    assert "<html" not in answer.text
    assert "HX-Request" in answer["Vary"]


def test_connection_test_works_without_htmx(
    as_user: AsUser, alice: User, project: Project, models_url: str
) -> None:
    account = make_account(project, base_url=models_url, credential_encrypted=crypto.encrypt("sk-wrong"))
    answer = as_user(alice).post(url("test", account.pk), follow=True)
    assert answer.redirect_chain == [(url("list"), 303)]
    assert "does not accept the key" in answer.text


def test_connection_test_needs_a_post(as_user: AsUser, alice: User, deployment: Deployment) -> None:
    assert as_user(alice).get(url("test", deployment.account_id)).status_code == 405


def test_list_takes_the_same_queries_however_many_accounts(
    as_user: AsUser, alice: User, project: Project, django_assert_max_num_queries: Callable[..., object]
) -> None:
    client = as_user(alice)
    for _ in range(5):
        make_deployment(make_account(project))
    with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
        assert client.get(url("list")).status_code == 200

"""Cleaning of accounts, deployments and prices: every mistake gets words that say what to do."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from readiness.projects.models import Project
from readiness.providers.forms.accounts import AccountForm
from readiness.providers.forms.deployments import DeploymentForm, parameters_problem
from readiness.providers.forms.prices import price_formset
from readiness.providers.models import ProviderAccount
from readiness.providers.services import Price
from tests.builders import make_account, make_deployment
from tests.providers.conftest import KEY

SIMULATOR = "http://simulator:8790/v1"


@pytest.fixture(autouse=True)
def _simulator(settings: Settings) -> None:
    settings.SIMULATOR_URL = SIMULATOR


def account_form(project: Project, account: ProviderAccount | None = None, **data: Any) -> AccountForm:
    defaults = {"name": "Mine", "kind": "openai", "base_url": SIMULATOR, "api_key": ""}
    return AccountForm(defaults | data, instance=account, project=project, may_change_site=True)


def deployment_form(account: ProviderAccount, **data: Any) -> DeploymentForm:
    defaults = {"name": "Mini", "model": "gpt-4o-mini", "max_output_tokens": "512"}
    return DeploymentForm(defaults | data, account=account)


def test_account_form_takes_a_good_account(project: Project) -> None:
    form = account_form(project, api_key=f"  {KEY}\n")
    assert form.is_valid(), form.errors
    assert form.cleaned_data["api_key"] == KEY


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"base_url": ""}, "base_url", "required"),
        ({"base_url": "https://127.0.0.1/v1"}, "base_url", "private address"),
        ({"base_url": "https://169.254.169.254/latest"}, "base_url", "no AI service can be"),
        ({"base_url": "https://no-such-host.invalid/v1"}, "base_url", "could not be found"),
        ({"base_url": "http://8.8.8.8/v1"}, "base_url", "Use https://"),
        ({"base_url": "https://user:pw@8.8.8.8/v1"}, "base_url", "user name and password"),
        ({"api_key": "two words"}, "api_key", "no blanks"),
        ({"api_key": "schlüssel"}, "api_key", "no blanks"),
        ({"kind": "carrier-pigeon"}, "kind", "valid choice"),
        ({"kind": "recorded"}, "kind", "valid choice"),
        ({"name": ""}, "name", "required"),
    ],
)
def test_account_form_names_the_mistake(
    project: Project, data: dict[str, str], field: str, words: str
) -> None:
    form = account_form(project, **data)
    assert words in " ".join(form.errors.get(field, []))


def test_account_name_is_taken_once_per_project(project: Project) -> None:
    make_account(project, name="Mine")
    assert "already" in str(account_form(project).errors["name"])
    assert account_form(project, site_wide="on").is_valid()


def test_recorded_account_has_only_a_name_to_change(project: Project) -> None:
    account = make_account(project, kind="recorded", base_url="", credential_encrypted=b"")
    form = AccountForm({"name": "Renamed"}, instance=account, project=project)
    assert [field.name for field in form.visible_fields()] == ["name"]
    assert form.is_valid(), form.errors
    assert form.key_change() is None


def test_stored_key_is_not_in_the_form(project: Project) -> None:
    form = AccountForm(instance=make_account(project), project=project)
    assert "sim-key" not in form.as_p()
    assert "A key is stored" in form.as_p()


def test_typed_key_is_not_given_back_with_the_errors(project: Project) -> None:
    form = account_form(project, name="", api_key=KEY)
    assert not form.is_valid()
    assert KEY not in form.as_p()


@pytest.mark.parametrize(
    ("data", "change"), [({}, None), ({"api_key": KEY}, KEY), ({"forget_key": "on"}, "")]
)
def test_key_is_kept_replaced_or_removed(project: Project, data: dict[str, str], change: str | None) -> None:
    account = make_account(project, base_url=SIMULATOR)
    form = account_form(project, account, **data)
    assert form.is_valid(), form.errors
    assert form.key_change() == change


@pytest.mark.parametrize("base_url", ["https://8.8.8.8/v1", "https://api.example.com:8443/v1"])
def test_stored_key_is_not_sent_to_another_server(project: Project, base_url: str) -> None:
    form = account_form(project, make_account(project), base_url=base_url)
    assert "Enter the key again" in str(form.errors["api_key"])


def test_new_key_may_go_to_another_server(project: Project) -> None:
    form = account_form(project, make_account(project), api_key=KEY)
    assert form.is_valid(), form.errors


def test_address_that_stays_is_not_resolved_again(project: Project) -> None:
    account = make_account(project, base_url="https://gone.invalid/v1")
    form = account_form(project, account, base_url="https://gone.invalid/v1/", name="Renamed")
    assert form.is_valid(), form.errors


def test_typed_key_is_asked_for_again_when_something_else_is_wrong(project: Project) -> None:
    form = account_form(project, name="", api_key=KEY)
    assert "Enter the key again" in str(form.errors["api_key"])
    assert "api_key" not in account_form(project, name="").errors


def test_kind_of_an_account_cannot_change(project: Project) -> None:
    form = account_form(project, make_account(project), kind="recorded", api_key=KEY)
    assert form.is_valid(), form.errors
    assert form.instance.kind == "openai"


def test_deployment_form_takes_a_good_deployment(project: Project) -> None:
    form = deployment_form(make_account(project), rpm="600", tpm="200000", parameters='{"temperature": 0}')
    assert form.is_valid(), form.errors
    assert form.cleaned_data["parameters"] == {"temperature": 0}
    assert form.cleaned_data["rpd"] is None


@pytest.mark.parametrize("unit", ["rpm", "tpm", "rpd", "concurrency"])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_quota_of_zero_says_what_to_do(project: Project, unit: str, value: str) -> None:
    form = deployment_form(make_account(project), **{unit: value})
    assert form.errors[unit] == ["Leave empty for no limit, or at least 1."]


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"rpm": "9999999999"}, "rpm", "At most"),
        ({"rpm": "many"}, "rpm", "whole number"),
        ({"max_output_tokens": "0"}, "max_output_tokens", "greater than or equal to 1"),
        ({"tpm": "100"}, "tpm", "none would ever be let through"),
        ({"tpd": "100"}, "tpd", "none would ever be let through"),
        ({"tpd": "9" * 20}, "tpd", "At most"),
        ({"itpm": "9000"}, "itpm", "counts input and output together"),
        ({"otpm": "9000"}, "otpm", "counts input and output together"),
        ({"accounting": "anthropic", "tpm": "9000"}, "tpm", "counts input and output apart"),
        ({"accounting": "anthropic", "tpd": "9000"}, "tpd", "counts input and output apart"),
        ({"accounting": "barter"}, "accounting", "valid choice"),
        ({"window": "bay"}, "window", "valid choice"),
        ({"zone": "Europe/Atlantis"}, "zone", "no time zone"),
        ({"zone": "../../etc/passwd"}, "zone", "no time zone"),
        ({"edge_second": "60"}, "edge_second", "0 to 59"),
        ({"jitter_ms": "60001"}, "jitter_ms", "60,000"),
        ({"jitter_ms": "-1"}, "jitter_ms", "From 0"),
        ({"parameters": "{"}, "parameters", "This is not JSON"),
        ({"parameters": "[1]"}, "parameters", "JSON object"),
        ({"parameters": '{"temperature": NaN}'}, "parameters", "no JSON values"),
        ({"parameters": '{"max_tokens": 5}'}, "parameters", "field of its own"),
        ({"parameters": r'{"stop": "\u0000"}'}, "parameters", "Take it out"),
        ({"model": "taken"}, "model", "share one quota"),
        ({"model": ""}, "model", "required"),
    ],
)
def test_deployment_form_names_the_mistake(
    project: Project, data: dict[str, str], field: str, words: str
) -> None:
    account = make_account(project)
    make_deployment(account, model="taken")
    form = deployment_form(account, **data)
    assert words in " ".join(form.errors.get(field, []))


@pytest.mark.parametrize(("kind", "accounting"), [("openai", "openai"), ("anthropic", "anthropic")])
def test_new_deployment_counts_as_its_kind_unless_told(project: Project, kind: str, accounting: str) -> None:
    form = deployment_form(make_account(project, kind=kind))
    assert form.is_valid(), form.errors
    assert form.cleaned_data["accounting"] == accounting
    assert form.cleaned_data["jitter_ms"] == 500


def test_what_is_left_empty_stays_as_it_was(project: Project) -> None:
    deployment = make_deployment(make_account(project), zone="Europe/Oslo", jitter_ms=80, edge_second=7)
    data = {"name": "Mini", "model": "m", "max_output_tokens": "512", "edge_second": "0", "zone": ""}
    form = DeploymentForm(data, instance=deployment, account=deployment.account)
    assert form.is_valid(), form.errors
    told = form.cleaned_data
    assert (told["zone"], told["jitter_ms"], told["edge_second"]) == ("Europe/Oslo", 80, 0)


@pytest.mark.parametrize(
    ("fields", "shows"),
    [({}, False), ({"rpm": 5}, False), ({"zone": "Europe/Oslo"}, True), ({"window": "fixed"}, True)],
)
def test_advanced_fields_are_open_when_they_are_not_as_usual(
    project: Project, fields: dict[str, Any], shows: bool
) -> None:
    deployment = make_deployment(make_account(project), **fields)
    assert DeploymentForm(instance=deployment, account=deployment.account).shows_advanced == shows


def test_advanced_fields_are_open_when_one_is_wrong(project: Project) -> None:
    assert deployment_form(make_account(project), edge_second="60").shows_advanced


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"kind": "anthropic", "tpm": "9000"}, "tpm", "Anthropic counts input and output apart"),
        ({"kind": "anthropic", "tpd": "9000"}, "tpd", "Anthropic counts input and output apart"),
        ({"tpm": "9000", "itpm": "9000"}, "tpm", "not both"),
        ({"rpm": "0"}, "rpm", "at least 1"),
    ],
)
def test_account_form_names_a_wrong_limit(
    project: Project, data: dict[str, str], field: str, words: str
) -> None:
    assert words in " ".join(account_form(project, **data).errors.get(field, []))


def test_account_form_gives_its_limits(project: Project) -> None:
    form = account_form(project, kind="anthropic", itpm="9000", concurrency="4")
    assert form.is_valid(), form.errors
    assert {name: limit for name, limit in form.limits().items() if limit} == {"itpm": 9000, "concurrency": 4}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, ""),
        ({"temperature": 0, "max_tokens_parameter": "max_completion_tokens", "include_usage": False}, ""),
        ({"stream": False, "model": "x"}, "model, stream: set by Readiness itself"),
        ({"max_tokens_parameter": "messages"}, "either max_tokens or max_completion_tokens"),
        ({"max_tokens_parameter": ["max_tokens"]}, "either max_tokens or max_completion_tokens"),
        ({"include_usage": "no"}, "either true or false"),
        ({"stop": "x" * 10_000}, "longer than"),
        ({"stop": "\0"}, "cannot be stored: \\u0000"),
        ({"stop": ["a", {"b": ["c\0"]}]}, "cannot be stored"),
        ({"\0": 1}, "cannot be stored"),
        ({"stop": "\ud800"}, "cannot be stored"),
        ({"stop": ["\\u0000", "😀"]}, ""),
        ("text", "JSON object"),
    ],
)
def test_parameters_problem_is_in_plain_words(parameters: object, words: str) -> None:
    problem = parameters_problem(parameters)
    assert words in problem
    assert bool(problem) == bool(words)


def prices(*rows: tuple[str, ...], initial: int = 0) -> dict[str, str]:
    data = {"prices-TOTAL_FORMS": str(len(rows)), "prices-INITIAL_FORMS": str(initial)}
    for number, row in enumerate(rows):
        for name, value in zip(("unit", "usd_per_million", "effective_from", "DELETE"), row, strict=False):
            data[f"prices-{number}-{name}"] = value
    return data


def test_price_rows_that_are_empty_are_left_out(db: None) -> None:
    formset = price_formset(prices(("output_token", "0.4", "2026-01-01"), ("", "", "")))
    assert formset.is_valid(), formset.errors
    assert formset.prices() == [Price("output_token", Decimal("0.4"), date(2026, 1, 1))]


def test_posted_prices_stand_alone_beside_what_was_stored_meanwhile(project: Project) -> None:
    deployment = make_deployment(make_account(project))
    deployment.price_overrides.create(unit="request", usd_per_million=1, effective_from="2026-01-01")
    left_empty = price_formset(prices(("", "", "")), deployment)
    assert left_empty.is_valid(), left_empty.errors
    assert left_empty.prices() == []
    typed_too = price_formset(prices(("request", "1", "2026-01-01")), deployment)
    assert typed_too.is_valid(), typed_too.errors
    assert typed_too.prices() == [Price("request", Decimal(1), date(2026, 1, 1))]


def test_price_row_marked_for_deletion_is_left_out(db: None) -> None:
    formset = price_formset(prices(("output_token", "0.4", "2026-01-01", "on"), initial=1))
    assert formset.is_valid(), formset.errors
    assert formset.prices() == []


def test_two_prices_of_a_unit_on_one_day_are_refused(db: None) -> None:
    row = ("output_token", "0.4", "2026-01-01")
    formset = price_formset(prices(row, row))
    assert "start on one day" in str(formset.non_form_errors())


@pytest.mark.parametrize(
    "row",
    [
        ("output_token", "", "2026-01-01"),
        ("output_token", "-1", "2026-01-01"),
        ("output_token", "1", ""),
        ("gallons", "1", "2026-01-01"),
        ("", "1", "2026-01-01"),
    ],
)
def test_price_row_that_is_half_filled_is_refused(db: None, row: tuple[str, ...]) -> None:
    assert not price_formset(prices(row)).is_valid()

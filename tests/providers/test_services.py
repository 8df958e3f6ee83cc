"""Writes of accounts and deployments: audited, without a trace of a key."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from readiness.accounts.models import AuditEntry, User
from readiness.inference.models import LoggedAnswer
from readiness.lib import crypto
from readiness.projects.models import Project
from readiness.providers import services
from readiness.providers.models import LIMITS, Deployment, PriceOverride, ProviderAccount
from readiness.providers.services import InUseError, Price
from tests.builders import make_account, make_deployment
from tests.providers.conftest import KEY

PRICE = Price("output_token", Decimal("0.40"), date(2026, 1, 1))


def log() -> list[tuple[str, str, dict[str, list[object]]]]:
    return [(entry.action, entry.object_label, entry.changes) for entry in AuditEntry.objects.order_by("id")]


def test_create_account_encrypts_the_key_and_hides_it_in_the_log(alice: User, project: Project) -> None:
    account = services.create_account(
        actor=alice, project=project, name="OpenAI", base_url=" https://api.openai.com/v1/ ", api_key=KEY
    )
    account.refresh_from_db()
    stored = bytes(account.credential_encrypted)
    assert KEY.encode() not in stored
    assert crypto.decrypt(stored) == KEY
    assert account.base_url == "https://api.openai.com/v1"
    assert log() == [
        (
            "provider account added",
            "OpenAI",
            {
                "name": ["", "OpenAI"],
                "kind": ["", "openai"],
                "base_url": ["", "https://api.openai.com/v1"],
                "api_key": ["", "(hidden)"],
            },
        )
    ]
    assert AuditEntry.objects.get().project_slug == "handbook"


def test_account_at_the_simulators_address_is_simulated(project: Project, settings: Settings) -> None:
    settings.SIMULATOR_URL = "http://simulator:8790/v1"
    account = services.create_account(
        actor=None, project=None, name="Simulated", base_url="http://simulator:8790/v1/", api_key="sim-x"
    )
    assert account.simulated
    services.update_account(
        actor=None, account=account, name="Real", base_url="https://api.openai.com/v1", api_key=KEY
    )
    assert not ProviderAccount.objects.get().simulated


@pytest.mark.parametrize(
    ("api_key", "stored", "logged"),
    [
        (None, "sim-key", None),
        (KEY, KEY, ["(hidden)", "(hidden)"]),
        ("", "", ["(hidden)", ""]),
    ],
    ids=["keeps", "replaces", "removes"],
)
def test_update_account_treats_the_key_as_told(
    alice: User, project: Project, api_key: str | None, stored: str, logged: list[str] | None
) -> None:
    account = make_account(project, name="Old")
    services.update_account(
        actor=alice, account=account, name="New", base_url=account.base_url, api_key=api_key
    )
    account.refresh_from_db()
    assert crypto.decrypt(bytes(account.credential_encrypted)) == stored
    ((action, _, changes),) = log()
    assert (action, changes["name"]) == ("provider account changed", ["Old", "New"])
    assert changes.get("api_key") == logged


def test_update_account_of_an_old_row_keeps_what_was_stored_meanwhile(alice: User, project: Project) -> None:
    old = make_account(project, name="Old", rpm=60)
    stored = services.update_account(
        actor=None,
        account=ProviderAccount.objects.get(),
        name="Old",
        base_url=old.base_url,
        api_key=KEY,
        rpm=30,
    )
    assert crypto.decrypt(bytes(stored.credential_encrypted)) == KEY
    services.update_account(actor=alice, account=old, name="New", base_url=old.base_url)
    stored.refresh_from_db()
    assert (stored.name, stored.rpm) == ("New", 30)
    assert crypto.decrypt(bytes(stored.credential_encrypted)) == KEY
    assert log()[-1][2] == {"name": ["Old", "New"]}


def test_update_account_writes_only_what_changed(alice: User, project: Project) -> None:
    account = make_account(project)
    with CaptureQueriesContext(connection) as queries:
        services.update_account(actor=alice, account=account, name="New", base_url=account.base_url)
    (written,) = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    assert '"name" = ' in written
    assert "credential_encrypted" not in written
    assert "base_url" not in written


def test_update_deployment_of_an_old_row_keeps_what_was_stored_meanwhile(
    alice: User, project: Project
) -> None:
    old = make_deployment(make_account(project), rpm=60, tpm=90_000)
    services.update_deployment(actor=None, deployment=Deployment.objects.get(), tpm=60_000)
    services.update_deployment(actor=alice, deployment=old, rpm=61)
    old.refresh_from_db()
    assert (old.rpm, old.tpm) == (61, 60_000)


def test_update_without_a_change_leaves_no_entry(alice: User, project: Project) -> None:
    account = make_account(project)
    deployment = make_deployment(account)
    services.update_account(actor=alice, account=account, name=account.name, base_url=account.base_url)
    services.update_deployment(actor=alice, deployment=deployment, rpm=deployment.rpm, prices=[])
    assert log() == []


def test_create_deployment_stores_quota_and_prices(alice: User, project: Project) -> None:
    deployment = services.create_deployment(
        actor=alice, account=make_account(project), name="Mini", model="gpt-4o-mini", rpm=60, prices=[PRICE]
    )
    assert services.prices_of(deployment) == [PRICE]
    ((action, label, changes),) = log()
    assert (action, label) == ("deployment added", "Mini")
    assert changes["rpm"] == ["", 60]
    assert changes["prices"] == [[], ["output_token 0.4 USD per million from 2026-01-01"]]


def test_update_deployment_logs_what_changed_and_replaces_prices(alice: User, project: Project) -> None:
    deployment = make_deployment(make_account(project), rpm=60)
    services.update_deployment(actor=alice, deployment=deployment, prices=[PRICE])
    services.update_deployment(actor=alice, deployment=deployment, rpm=None, active=False, prices=[])
    deployment.refresh_from_db()
    assert (deployment.rpm, deployment.active, PriceOverride.objects.count()) == (None, False, 0)
    assert log()[1][2] == {
        "rpm": [60, None],
        "active": [True, False],
        "prices": [["output_token 0.4 USD per million from 2026-01-01"], []],
    }


@pytest.mark.parametrize(
    ("kind", "accounting"), [("openai", "openai"), ("anthropic", "anthropic"), ("recorded", "openai")]
)
def test_create_deployment_counts_tokens_as_the_kind_does(
    project: Project, kind: str, accounting: str
) -> None:
    account = make_account(project, kind=kind)
    deployment = services.create_deployment(actor=None, account=account, name="Mini", model="m")
    deployment.refresh_from_db()
    assert deployment.accounting == accounting


def test_account_limits_are_stored_and_logged(alice: User, project: Project) -> None:
    account = services.create_account(actor=alice, project=project, name="A", rpm=600, tpm=None)
    services.update_account(actor=alice, account=account, name="A", base_url="", rpm=None, itpm=9)
    account.refresh_from_db()
    assert (account.rpm, account.itpm) == (None, 9)
    created, changed = [changes for _, _, changes in log()]
    assert created["rpm"] == ["", 600]
    assert "tpm" not in created
    assert changed == {"rpm": [600, None], "itpm": [None, 9]}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids that a listener to quotas was told."""
    ids: list[int] = []
    monkeypatch.setattr(services, "quota_listeners", [ids.append])
    return ids


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        ({"rpm": 61}, True),
        ({"zone": "Europe/Oslo"}, True),
        ({"rpm": 60}, False),
        ({"name": "Renamed", "max_output_tokens": 9}, False),
    ],
)
def test_listeners_hear_of_a_deployments_quota_and_of_nothing_else(
    project: Project,
    told: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    fields: dict[str, Any],
    is_told: bool,
) -> None:
    deployment = make_deployment(make_account(project), rpm=60)
    with django_capture_on_commit_callbacks(execute=True):
        services.update_deployment(actor=None, deployment=deployment, **fields)
        assert told == []
    assert told == [deployment.pk] * is_told


def test_listeners_hear_of_every_deployment_of_an_account_whose_limits_change(
    project: Project,
    told: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    account = make_account(project)
    mine = {make_deployment(account).pk, make_deployment(account, active=False).pk}
    make_deployment(make_account(project))
    with django_capture_on_commit_callbacks(execute=True):
        services.update_account(actor=None, account=account, name="New", base_url=account.base_url)
    assert told == []
    with django_capture_on_commit_callbacks(execute=True):
        services.update_account(actor=None, account=account, name="New", base_url="", concurrency=4)
    assert set(told) == mine


@pytest.mark.parametrize(
    "values",
    [
        {"tpd": 0},
        {"itpm": 0},
        {"otpm": 0},
        {"accounting": "barter"},
        {"window": "bay"},
        {"day_window": "bay"},
        {"edge_second": 60},
        {"jitter_ms": 60_001},
    ],
)
def test_quota_that_means_nothing_is_not_stored(project: Project, values: dict[str, Any]) -> None:
    account = make_account(project)
    with pytest.raises(IntegrityError):
        make_deployment(account, **values)


@pytest.mark.parametrize("unit", LIMITS)
def test_account_limit_of_zero_is_not_stored(project: Project, unit: str) -> None:
    with pytest.raises(IntegrityError):
        make_account(project, **{unit: 0})


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("0.400000", "0.4"), ("10.000000", "10"), ("1000000", "1000000"), ("0.000001", "0.000001")],
)
def test_price_is_written_without_the_zeros_of_its_column(stored: str, shown: str) -> None:
    assert f"{Price('request', Decimal(stored), date(2026, 1, 1))}" == (
        f"request {shown} USD per million from 2026-01-01"
    )


def test_update_deployment_without_prices_keeps_them(alice: User, project: Project) -> None:
    deployment = make_deployment(make_account(project))
    services.update_deployment(actor=alice, deployment=deployment, prices=[PRICE])
    services.update_deployment(actor=alice, deployment=deployment, rpm=7)
    assert services.prices_of(deployment) == [PRICE]


def test_unused_deployment_and_account_are_deleted(alice: User, project: Project) -> None:
    deployment = make_deployment(make_account(project))
    services.delete_deployment(actor=alice, deployment=deployment)
    services.delete_account(actor=alice, account=ProviderAccount.objects.get())
    assert not Deployment.objects.exists()
    assert not ProviderAccount.objects.exists()
    assert [action for action, _, _ in log()] == ["deployment deleted", "provider account deleted"]


def test_deleted_deployment_is_in_the_log_as_it_was(alice: User, project: Project) -> None:
    deployment = make_deployment(make_account(project), name="Mini", model="m", rpm=60, active=False)
    services.update_deployment(actor=None, deployment=deployment, parameters={"top_p": 1}, prices=[PRICE])
    services.delete_deployment(actor=alice, deployment=deployment)
    changes = log()[-1][2]
    assert changes == {
        "rpm": [60, None],
        "name": ["Mini", None],
        "model": ["m", None],
        "parameters": [{"top_p": 1}, None],
        "max_output_tokens": [512, None],
        "accounting": ["openai", None],
        "window": ["continuous", None],
        "day_window": ["continuous", None],
        "zone": ["UTC", None],
        "edge_second": [0, None],
        "jitter_ms": [500, None],
        "active": [False, None],
        "prices": [["output_token 0.4 USD per million from 2026-01-01"], None],
    }


def test_deleted_account_is_in_the_log_with_each_of_its_deployments(alice: User, project: Project) -> None:
    account = make_account(project, name="OpenAI", rpm=9, credential_encrypted=crypto.encrypt(KEY))
    for name in ("Large", "Mini"):
        make_deployment(account, name=name, tpm=5000)
    services.delete_account(actor=alice, account=account)
    assert [(action, label) for action, label, _ in log()] == [
        ("deployment deleted", "Large"),
        ("deployment deleted", "Mini"),
        ("provider account deleted", "OpenAI"),
    ]
    assert log()[0][2]["tpm"] == [5000, None]
    assert log()[2][2] == {
        "name": ["OpenAI", None],
        "kind": ["openai", None],
        "base_url": ["https://api.example.com/v1", None],
        "simulated": [False, None],
        "rpm": [9, None],
        "api_key": ["(hidden)", None],
    }


def test_used_deployment_and_its_account_stay(alice: User, project: Project) -> None:
    deployment = make_deployment(make_account(project))
    LoggedAnswer.objects.create(
        project=project,
        deployment=deployment,
        request_id="r1",
        at=datetime(2026, 6, 1, tzinfo=UTC),
        question="?",
        output="!",
    )
    with pytest.raises(InUseError, match="Switch it off"):
        services.delete_deployment(actor=alice, deployment=deployment)
    with pytest.raises(InUseError, match="switch its deployments off"):
        services.delete_account(actor=alice, account=deployment.account)
    assert Deployment.objects.exists()
    assert log() == []


@pytest.fixture
def account_at(project: Project) -> Callable[..., ProviderAccount]:
    def make(base_url: str, key: str = KEY) -> ProviderAccount:
        return make_account(project, base_url=base_url, credential_encrypted=crypto.encrypt(key))

    return make


def test_connection_that_works_marks_the_account_simulated(
    alice: User, account_at: Callable[..., ProviderAccount], models_url: str
) -> None:
    account = account_at(models_url)
    make_deployment(account, model="gpt-4o")
    report = services.test_connection(actor=alice, account=account)
    assert (report.ok, report.message) == (True, "Connected. The account offers 2 models.")
    assert ProviderAccount.objects.get().simulated
    assert log()[0][2] == {"simulated": [False, True]}


def test_connection_names_models_that_are_not_offered_and_similar_ones(
    alice: User, account_at: Callable[..., ProviderAccount], models_url: str
) -> None:
    account = account_at(models_url)
    make_deployment(account, model="gpt-4o-mni")
    make_deployment(account, model="switched-off", active=False)
    report = services.test_connection(actor=alice, account=account)
    assert not report.ok
    assert report.message == (
        "Address and key work, but the model gpt-4o-mni is not in its list (similar: gpt-4o-mini, gpt-4o)."
    )


def test_connection_with_a_wrong_key_says_so(
    alice: User, account_at: Callable[..., ProviderAccount], models_url: str
) -> None:
    report = services.test_connection(actor=alice, account=account_at(models_url, "sk-wrong"))
    assert not report.ok
    assert "does not accept the key" in report.message


def test_connection_to_a_private_address_is_refused(
    alice: User, account_at: Callable[..., ProviderAccount], models_url: str, settings: Settings
) -> None:
    settings.ALLOW_PRIVATE_UPSTREAMS = False
    report = services.test_connection(actor=alice, account=account_at(models_url))
    assert not report.ok
    assert "private address" in report.message


@pytest.mark.parametrize("base_url", ["https://no-such-host.invalid/v1", "http://127.0.0.1:1/v1"])
def test_connection_that_cannot_be_made_is_a_report(
    alice: User, account_at: Callable[..., ProviderAccount], settings: Settings, base_url: str
) -> None:
    settings.ALLOW_PRIVATE_UPSTREAMS = True
    report = services.test_connection(actor=alice, account=account_at(base_url))
    assert not report.ok
    assert "server" in report.message


def test_connection_with_an_unreadable_key_is_a_report(alice: User, project: Project) -> None:
    account = make_account(project, credential_encrypted=b"not a token")
    report = services.test_connection(actor=alice, account=account)
    assert not report.ok
    assert "Enter it again" in report.message


@pytest.mark.parametrize("of_project", [True, False])
def test_account_name_is_unique_in_its_project_and_on_the_site(project: Project, of_project: bool) -> None:
    owner = project if of_project else None
    services.create_account(actor=None, project=owner, name="OpenAI")
    services.create_account(actor=None, project=None if of_project else project, name="OpenAI")
    with pytest.raises(IntegrityError):
        services.create_account(actor=None, project=owner, name="OpenAI")

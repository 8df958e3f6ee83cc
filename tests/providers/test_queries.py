"""Specs for calls, and rows for the provider page."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pytest_django import DjangoAssertNumQueries, Settings

from readiness.projects.models import Project
from readiness.providers.base import Accounting, BadCredentialError, Quota, WindowKind
from readiness.providers.models import Deployment, PriceOverride
from readiness.providers.queries import (
    account_spec,
    deployment_spec,
    deployments_for_page,
    deployments_of,
    is_used,
    quota_of,
    specs_for,
)
from tests.builders import make_account, make_deployment

DAY = date(2026, 6, 1)


def test_spec_holds_all_that_a_call_needs(project: Project) -> None:
    account = make_account(project, name="OpenAI", base_url="https://api.openai.com/v1")
    deployment = make_deployment(
        account, name="mini", model="gpt-4o-mini", rpm=600, tpm=200_000, parameters={"temperature": 0}
    )
    spec = deployment_spec(deployment.pk, DAY)
    assert (spec.upstream, spec.label) == (f"d{deployment.pk}", "OpenAI · mini")
    assert (spec.model, spec.parameters, spec.max_output_tokens) == ("gpt-4o-mini", {"temperature": 0}, 512)
    assert spec.quota == Quota(rpm=600, tpm=200_000)
    assert spec.credential == "sim-key"
    assert "sim-key" not in repr(spec)
    assert spec.prices.output_token == 600


def test_quota_says_how_the_provider_counts(project: Project) -> None:
    deployment = make_deployment(
        make_account(project),
        rpm=None,
        rpd=1000,
        tpd=9_000_000_000,
        itpm=50_000,
        otpm=8_000,
        accounting="anthropic",
        window="fixed",
        day_window="sliding",
        zone="Europe/Oslo",
        edge_second=12,
        jitter_ms=80,
    )
    assert quota_of(deployment) == Quota(
        rpd=1000,
        tpd=9_000_000_000,
        itpm=50_000,
        otpm=8_000,
        accounting=Accounting.ANTHROPIC,
        window=WindowKind.FIXED,
        day_window=WindowKind.SLIDING,
        zone="Europe/Oslo",
        edge_s=12,
        jitter_ms=80,
    )


@pytest.mark.parametrize(
    ("fields", "quota"),
    [
        ({}, None),
        ({"kind": "anthropic"}, None),
        ({"rpm": 60, "tpd": 900}, Quota(rpm=60, tpd=900)),
        ({"otpm": 60}, Quota(otpm=60, accounting=Accounting.ANTHROPIC)),
        (
            {"kind": "anthropic", "concurrency": 4},
            Quota(concurrency=4, accounting=Accounting.ANTHROPIC),
        ),
    ],
)
def test_spec_has_the_limits_of_its_account(
    project: Project, fields: dict[str, Any], quota: Quota | None
) -> None:
    account = make_account(project, **fields)
    spec = deployment_spec(make_deployment(account).pk, DAY)
    assert spec.account_quota == quota
    assert spec.account_upstream == f"a{account.pk}"


def test_spec_has_the_prices_of_its_day(project: Project) -> None:
    deployment = make_deployment(make_account(project))
    for unit, usd in (("input_token", "1"), ("output_token", "2")):
        PriceOverride.objects.create(
            deployment=deployment, unit=unit, usd_per_million=Decimal(usd), effective_from=DAY
        )
    known = [deployment_spec(deployment.pk, day).prices.known for day in (date(2026, 5, 31), DAY)]
    assert known == [False, True]


def test_spec_of_a_missing_deployment_is_an_error(db: None) -> None:
    with pytest.raises(Deployment.DoesNotExist, match="999"):
        deployment_spec(999, DAY)


def test_spec_with_a_key_that_cannot_be_read_says_so(project: Project, settings: Settings) -> None:
    deployment = make_deployment(make_account(project))
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(BadCredentialError, match="Enter it again"):
        deployment_spec(deployment.pk, DAY)


def test_account_spec_has_the_key_but_does_not_show_it(project: Project) -> None:
    spec = account_spec(make_account(project))
    assert spec.credential == "sim-key"
    assert "sim-key" not in repr(spec)


def test_specs_take_two_queries_however_many(
    project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ids = [make_deployment(make_account(project)).pk for _ in range(3)]
    with django_assert_num_queries(2):
        specs = specs_for([*reversed(ids), ids[0]], DAY)
    assert list(specs) == ids[::-1]


def test_deployments_are_those_of_the_project_and_the_site(project: Project) -> None:
    other = Project.objects.create(name="Other", slug="other")
    own, site = make_deployment(make_account(project)), make_deployment(make_account(None))
    make_deployment(make_account(other))
    make_deployment(make_account(project), active=False)
    assert set(deployments_of(project)) == {own, site}


def test_page_rows_put_own_accounts_first_and_tell_who_may_change(project: Project) -> None:
    make_account(None, name="A site account")
    make_account(project, name="Z own account", credential_encrypted=b"")
    rows = deployments_for_page(project, DAY, is_admin=True, is_site_admin=False)
    assert [(row.account.name, row.has_key, row.may_change) for row in rows] == [
        ("Z own account", False, True),
        ("A site account", True, False),
    ]


def test_page_rows_take_the_same_queries_however_many(
    project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        account = make_account(project)
        make_deployment(account)
        make_deployment(account)
    with django_assert_num_queries(3):
        rows = deployments_for_page(project, DAY, is_admin=True, is_site_admin=True)
    assert [len(row.deployments) for row in rows] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rpm": None}, "no limit"),
        ({"rpm": 600, "tpm": 200_000}, "600 RPM · 200,000 TPM"),
        ({"rpm": None, "rpd": 1000, "concurrency": 4}, "1,000 requests a day · 4 at once"),
        ({"rpm": None, "itpm": 50_000, "otpm": 8000}, "50,000 input TPM · 8,000 output TPM"),
    ],
)
def test_page_row_says_the_quota_in_words(
    project: Project, fields: dict[str, int | None], words: str
) -> None:
    make_deployment(make_account(project), **fields)
    ((row,),) = [r.deployments for r in deployments_for_page(project, DAY, is_admin=True, is_site_admin=True)]
    assert row.quota_words == words


def test_deployment_with_prices_alone_is_unused(project: Project) -> None:
    deployment = make_deployment(make_account(project))
    PriceOverride.objects.create(
        deployment=deployment, unit="request", usd_per_million=Decimal(1), effective_from=DAY
    )
    assert not is_used(deployment)

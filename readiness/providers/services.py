"""Writes of accounts and deployments: every change is audited, no key ever leaves through a log or a page."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, TypedDict, Unpack

from asgiref.sync import async_to_sync
from django.db import transaction

from readiness.accounts.models import User
from readiness.accounts.services import HIDDEN, record_audit
from readiness.lib import crypto
from readiness.projects.models import Project
from readiness.providers.addresses import is_simulator, normalised
from readiness.providers.base import Accounting, AccountSpec, ConnectionReport, ProviderError
from readiness.providers.models import LIMITS, Deployment, PriceOverride, ProviderAccount, ProviderKind
from readiness.providers.queries import account_spec, is_used
from readiness.providers.registry import open_client


class InUseError(Exception):
    """The row cannot be deleted; ``str(error)`` says what to do instead."""


quota_listeners: list[Callable[[int], None]] = []
"""Called with a deployment's id, after the commit, when its quota or that of its account has changed."""


class LimitFields(TypedDict, total=False):
    """What a provider allows, for an account or a deployment; None where it sets no limit."""

    rpm: int | None
    tpm: int | None
    rpd: int | None
    tpd: int | None
    itpm: int | None
    otpm: int | None
    concurrency: int | None


class DeploymentFields(LimitFields, total=False):
    """Columns of a deployment that a person sets; their units are in ``models.Deployment``."""

    name: str
    model: str
    parameters: dict[str, Any]
    max_output_tokens: int
    accounting: str
    window: str
    day_window: str
    zone: str
    edge_second: int
    jitter_ms: int
    active: bool


_QUOTA_COLUMNS = {*LIMITS, "accounting", "window", "day_window", "zone", "edge_second", "jitter_ms"}


@dataclass(frozen=True, slots=True)
class Price:
    """A price override before it is stored."""

    unit: str
    usd_per_million: Decimal
    effective_from: date

    def __str__(self) -> str:
        return f"{self.unit} {plain(self.usd_per_million)} USD per million from {self.effective_from}"


def plain(amount: Decimal) -> Decimal:
    """The same amount without the zeros that its column adds: 0.4 for 0.400000, 10 for 10.000000."""
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()


@transaction.atomic
def create_account(
    *,
    actor: User | None,
    project: Project | None,
    name: str,
    kind: str = ProviderKind.OPENAI,
    base_url: str = "",
    api_key: str = "",
    **limits: Unpack[LimitFields],
) -> ProviderAccount:
    """A new account of the project, or of the whole site. ``base_url`` has passed ``check_base_url``."""
    account = ProviderAccount.objects.create(
        project=project,
        name=name,
        kind=kind,
        base_url=normalised(base_url),
        credential_encrypted=crypto.encrypt(api_key),
        simulated=is_simulator(base_url),
        **limits,
    )
    changes: dict[str, tuple[object, object]] = {
        "name": ("", name),
        "kind": ("", kind),
        "base_url": ("", account.base_url),
        **{unit: ("", limit) for unit, limit in limits.items() if limit},
    }
    if api_key:
        changes["api_key"] = ("", HIDDEN)
    _audit(actor, "provider account added", account, changes)
    return account


@transaction.atomic
def update_account(
    *,
    actor: User | None,
    account: ProviderAccount,
    name: str,
    base_url: str,
    api_key: str | None = None,
    **limits: Unpack[LimitFields],
) -> ProviderAccount:
    """Changes the account; limits that are not named stay.

    ``api_key``: None keeps the stored key, an empty text removes it.
    """
    before = ProviderAccount.objects.select_for_update().get(pk=account.pk)
    account.name, account.base_url = name, normalised(base_url)
    if account.base_url != before.base_url:
        account.simulated = is_simulator(base_url)
    for unit, limit in limits.items():
        setattr(account, unit, limit)
    changes = _changed(before, account, ("name", "base_url", "simulated", *limits))
    if api_key is not None:
        account.credential_encrypted = crypto.encrypt(api_key)
        changes["api_key"] = (
            HIDDEN if before.credential_encrypted else "",
            HIDDEN if api_key else "",
        )
    account.save()
    if changes:
        _audit(actor, "provider account changed", account, changes)
    if _QUOTA_COLUMNS & changes.keys():
        _tell_listeners(account.deployments.values_list("pk", flat=True))
    return account


@transaction.atomic
def delete_account(*, actor: User | None, account: ProviderAccount) -> None:
    """Deletes the account with its unused deployments. Raises ``InUseError`` when one of them was used."""
    if any(is_used(deployment) for deployment in account.deployments.all()):
        raise InUseError(
            "Benchmarks or records refer to deployments of this account, so it stays. Remove its key or "
            "switch its deployments off to stop all calls."
        )
    _audit(actor, "provider account deleted", account, {})
    account.delete()


@transaction.atomic
def create_deployment(
    *,
    actor: User | None,
    account: ProviderAccount,
    prices: Sequence[Price] = (),
    **fields: Unpack[DeploymentFields],
) -> Deployment:
    """A new deployment with its price overrides; tokens count as the kind of account suggests."""
    if account.kind == ProviderKind.ANTHROPIC:
        fields.setdefault("accounting", Accounting.ANTHROPIC.value)
    deployment = Deployment.objects.create(account=account, **fields)
    _replace_prices(deployment, prices)
    changes: dict[str, tuple[object, object]] = {name: ("", value) for name, value in fields.items()}
    if prices:
        changes["prices"] = ([], [str(price) for price in prices])
    _audit(actor, "deployment added", deployment, changes)
    return deployment


@transaction.atomic
def update_deployment(
    *,
    actor: User | None,
    deployment: Deployment,
    prices: Sequence[Price] | None = None,
    **fields: Unpack[DeploymentFields],
) -> Deployment:
    """Changes the named fields; ``prices``, where given, replaces all overrides."""
    before = Deployment.objects.select_for_update().get(pk=deployment.pk)
    for name, value in fields.items():
        setattr(deployment, name, value)
    deployment.save()
    changes = _changed(before, deployment, tuple(fields))
    if prices is not None:
        old, new = prices_of(deployment), sorted(prices, key=str)
        if [str(price) for price in old] != [str(price) for price in new]:
            _replace_prices(deployment, new)
            changes["prices"] = ([str(price) for price in old], [str(price) for price in new])
    if changes:
        _audit(actor, "deployment changed", deployment, changes)
    if _QUOTA_COLUMNS & changes.keys():
        _tell_listeners([deployment.pk])
    return deployment


@transaction.atomic
def delete_deployment(*, actor: User | None, deployment: Deployment) -> None:
    """Raises ``InUseError`` when anything refers to the deployment."""
    if is_used(deployment):
        raise InUseError(
            "Benchmarks or records refer to this deployment, so it stays. Switch it off to stop all calls."
        )
    _audit(actor, "deployment deleted", deployment, {})
    deployment.delete()


def prices_of(deployment: Deployment) -> list[Price]:
    """The deployment's overrides in a stable order."""
    rows = PriceOverride.objects.filter(deployment=deployment)
    return sorted((Price(row.unit, plain(row.usd_per_million), row.effective_from) for row in rows), key=str)


def _replace_prices(deployment: Deployment, prices: Sequence[Price]) -> None:
    PriceOverride.objects.filter(deployment=deployment).delete()
    PriceOverride.objects.bulk_create(
        PriceOverride(
            deployment=deployment,
            unit=price.unit,
            usd_per_million=price.usd_per_million,
            effective_from=price.effective_from,
        )
        for price in prices
    )


def test_connection(*, actor: User | None, account: ProviderAccount) -> ConnectionReport:
    """Whether address and key work, and whether the account offers the models of its active deployments.

    Calls the provider, for at most ten seconds, without spending tokens. An account that turns out to be
    simulated is marked so.
    """
    try:
        report = async_to_sync(_check)(account_spec(account))
    except ProviderError as error:
        return ConnectionReport(ok=False, message=str(error))
    if report.simulated and not account.simulated:
        _mark_simulated(actor, account)
    return _with_missing_models(report, account)


async def _check(spec: AccountSpec) -> ConnectionReport:
    client = open_client(spec)
    try:
        return await client.check()
    finally:
        await client.aclose()


def _with_missing_models(report: ConnectionReport, account: ProviderAccount) -> ConnectionReport:
    if not (report.ok and report.models):
        return report
    called = account.deployments.filter(active=True).values_list("model", flat=True)
    missing = [model for model in called if model not in report.models]
    if not missing:
        return report
    words = "; ".join(_not_offered(model, report.models) for model in missing)
    return replace(report, ok=False, message=f"Address and key work, but {words}.")


def _not_offered(model: str, offered: Sequence[str]) -> str:
    similar = difflib.get_close_matches(model, offered, n=3, cutoff=0.5)
    hint = f" (similar: {', '.join(similar)})" if similar else ""
    return f"the model {model} is not in its list{hint}"


@transaction.atomic
def _mark_simulated(actor: User | None, account: ProviderAccount) -> None:
    account.simulated = True
    account.save(update_fields=["simulated"])
    _audit(actor, "provider account changed", account, {"simulated": (False, True)})


def _tell_listeners(deployment_ids: Iterable[int]) -> None:
    for deployment_id in deployment_ids:
        for listener in quota_listeners:
            # Robust: the change is stored whatever a listener meets, and each call brings its quota along.
            transaction.on_commit(partial(listener, deployment_id), robust=True)


def _changed(before: object, after: object, names: Sequence[str]) -> dict[str, tuple[object, object]]:
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _audit(
    actor: User | None,
    action: str,
    row: ProviderAccount | Deployment,
    changes: Mapping[str, tuple[object, object]],
) -> None:
    account = row.account if isinstance(row, Deployment) else row
    record_audit(
        actor=actor,
        action=action,
        object_type=str(row._meta.verbose_name),
        object_id=row.pk,
        object_label=row.name,
        project_slug=account.project.slug if account.project else "",
        changes=changes,
    )

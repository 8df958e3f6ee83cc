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


_Changes = dict[str, tuple[object, object]]
"""Column to what it held before and after, as the audit log takes it."""

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


_ACCOUNT_COLUMNS = ("name", "kind", "base_url", "simulated", *LIMITS)
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
    """Changes the account and returns it as stored; limits that are not named stay.

    ``account`` says which row; it may be older than what is stored, and only columns that differ from that
    are written.
    ``api_key``: None keeps the stored key, an empty text removes it.
    """
    stored = ProviderAccount.objects.select_for_update().get(pk=account.pk)
    values: dict[str, object] = {"name": name, "base_url": normalised(base_url), **limits}
    if values["base_url"] != stored.base_url:
        values["simulated"] = is_simulator(base_url)
    changes = _change(stored, values)
    if api_key is not None:
        changes["api_key"] = _replace_key(stored, api_key)
    if changes:
        _audit(actor, "provider account changed", stored, changes)
    if _QUOTA_COLUMNS & changes.keys():
        _tell_listeners(stored.deployments.values_list("pk", flat=True))
    return stored


def _replace_key(account: ProviderAccount, api_key: str) -> tuple[str, str]:
    """Stores the key; returns what the audit log may know of the old and the new one."""
    had_key = bool(account.credential_encrypted)
    account.credential_encrypted = crypto.encrypt(api_key)
    account.save(update_fields=["credential_encrypted"])
    return HIDDEN if had_key else "", HIDDEN if api_key else ""


@transaction.atomic
def delete_account(*, actor: User | None, account: ProviderAccount) -> None:
    """Deletes the account with its unused deployments. Raises ``InUseError`` when one of them was used."""
    stored = ProviderAccount.objects.select_for_update().get(pk=account.pk)
    deployments = list(stored.deployments.select_for_update())
    if any(map(is_used, deployments)):
        raise InUseError(
            "Benchmarks or records refer to deployments of this account, so it stays. Remove its key or "
            "switch its deployments off to stop all calls."
        )
    for deployment in deployments:
        _audit_deleted(actor, deployment)
    last = _last_values(stored, _ACCOUNT_COLUMNS)
    if stored.credential_encrypted:
        last["api_key"] = (HIDDEN, None)
    _audit(actor, "provider account deleted", stored, last)
    stored.delete()


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
        changes["prices"] = ([], _price_words(prices))
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
    """Changes the named fields, returns the row as stored; ``prices``, where given, replaces all overrides.

    ``deployment`` may be older than what is stored, as in ``update_account``.
    """
    stored = Deployment.objects.select_for_update().get(pk=deployment.pk)
    changes = _change(stored, fields)
    if prices is not None:
        old, new = _price_words(prices_of(stored)), _price_words(sorted(prices, key=str))
        if old != new:
            _replace_prices(stored, prices)
            changes["prices"] = (old, new)
    if changes:
        _audit(actor, "deployment changed", stored, changes)
    if _QUOTA_COLUMNS & changes.keys():
        _tell_listeners([stored.pk])
    return stored


@transaction.atomic
def delete_deployment(*, actor: User | None, deployment: Deployment) -> None:
    """Raises ``InUseError`` when anything refers to the deployment."""
    stored = Deployment.objects.select_for_update().get(pk=deployment.pk)
    if is_used(stored):
        raise InUseError(
            "Benchmarks or records refer to this deployment, so it stays. Switch it off to stop all calls."
        )
    _audit_deleted(actor, stored)
    stored.delete()


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


def _price_words(prices: Iterable[Price]) -> list[str]:
    return [str(price) for price in prices]


def _change(row: ProviderAccount | Deployment, values: Mapping[str, object]) -> _Changes:
    """Writes the columns that differ and no other; returns before and after of each."""
    pairs = {name: (getattr(row, name), value) for name, value in values.items()}
    changes = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    for name, (_, value) in changes.items():
        setattr(row, name, value)
    row.save(update_fields=changes)
    return changes


def _last_values(row: ProviderAccount | Deployment, names: Iterable[str]) -> _Changes:
    """What a row held that is deleted, without the columns that were empty."""
    values = {name: getattr(row, name) for name in names}
    return {name: (value, None) for name, value in values.items() if value not in (None, "", {})}


def _audit_deleted(actor: User | None, deployment: Deployment) -> None:
    last = _last_values(deployment, DeploymentFields.__annotations__)
    if prices := prices_of(deployment):
        last["prices"] = (_price_words(prices), None)
    _audit(actor, "deployment deleted", deployment, last)


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

"""Reads: deployments as specs for a call, and rows for the provider pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Prefetch, Q, QuerySet

from readiness.lib import crypto
from readiness.projects.models import Project
from readiness.providers.base import (
    Accounting,
    AccountSpec,
    BadCredentialError,
    DeploymentSpec,
    PriceTable,
    Quota,
    WindowKind,
)
from readiness.providers.models import LIMITS, Deployment, PriceOverride, ProviderAccount, ProviderKind
from readiness.providers.prices import per_million, price_table


def accounts_of(project: Project) -> QuerySet[ProviderAccount]:
    """Accounts that the project may use: its own and those of the whole site."""
    return ProviderAccount.objects.filter(Q(project=project) | Q(project=None))


def deployments_of(project: Project) -> QuerySet[Deployment]:
    """Active deployments that the project may call, its own and the site's, with their accounts."""
    return Deployment.objects.filter(active=True, account__in=accounts_of(project)).select_related("account")


def account_spec(account: ProviderAccount) -> AccountSpec:
    """The account with its key in the clear. Raises ``BadCredentialError`` for a key that is unreadable."""
    return AccountSpec(kind=account.kind, base_url=account.base_url, credential=_credential(account))


def _credential(account: ProviderAccount) -> str:
    try:
        return crypto.decrypt(bytes(account.credential_encrypted))
    except crypto.SecretUnreadableError as error:
        raise BadCredentialError(str(error)) from error


def deployment_spec(deployment_id: int, on: date) -> DeploymentSpec:
    """All that a call to the deployment needs, at the prices of the day (UTC).

    Raises ``Deployment.DoesNotExist``, and ``BadCredentialError`` when the key cannot be decrypted.
    """
    return specs_for([deployment_id], on)[deployment_id]


def specs_for(deployment_ids: Iterable[int], on: date) -> dict[int, DeploymentSpec]:
    """Specs by deployment id, in two queries however many they are. Raises as ``deployment_spec`` does."""
    ids = list(dict.fromkeys(deployment_ids))
    found = {
        deployment.pk: deployment
        for deployment in Deployment.objects.filter(pk__in=ids)
        .select_related("account")
        .prefetch_related("price_overrides")
    }
    missing = [pk for pk in ids if pk not in found]
    if missing:
        raise Deployment.DoesNotExist(f"There is no deployment {', '.join(map(str, missing))}.")
    return {pk: _spec(found[pk], on) for pk in ids}


def _spec(deployment: Deployment, on: date) -> DeploymentSpec:
    account = deployment.account
    return DeploymentSpec(
        id=deployment.pk,
        account_id=account.pk,
        label=f"{account.name} · {deployment.name}",
        kind=account.kind,
        base_url=account.base_url,
        credential=_credential(account),
        model=deployment.model,
        parameters=deployment.parameters,
        max_output_tokens=deployment.max_output_tokens,
        quota=quota_of(deployment),
        account_quota=account_quota_of(account),
        simulated=account.simulated,
        prices=prices_on(deployment, on),
    )


def quota_of(deployment: Deployment) -> Quota:
    """The provider's limits for the deployment, and how it counts them."""
    return Quota(
        rpm=deployment.rpm,
        tpm=deployment.tpm,
        rpd=deployment.rpd,
        tpd=deployment.tpd,
        itpm=deployment.itpm,
        otpm=deployment.otpm,
        concurrency=deployment.concurrency,
        accounting=Accounting(deployment.accounting),
        window=WindowKind(deployment.window),
        day_window=WindowKind(deployment.day_window),
        zone=deployment.zone,
        edge_s=deployment.edge_second,
        jitter_ms=deployment.jitter_ms,
    )


def account_quota_of(account: ProviderAccount) -> Quota | None:
    """The limits of the whole account; None where it has none. Its windows refill steadily."""
    limits = {name: getattr(account, name) for name in LIMITS}
    if not any(limits.values()):
        return None
    counts_apart = account.kind == ProviderKind.ANTHROPIC or account.itpm or account.otpm
    return Quota(**limits, accounting=Accounting.ANTHROPIC if counts_apart else Accounting.OPENAI)


def quota_words(quota: Quota | None) -> str:
    """The limits in one line: ``600 RPM · 200,000 TPM``; empty where there is none."""
    units = ("RPM", "TPM", "requests a day", "tokens a day", "input TPM", "output TPM", "at once")
    limits = zip(LIMITS, units, strict=True)
    told = [f"{limit:,} {unit}" for name, unit in limits if (limit := getattr(quota, name, None))]
    return " · ".join(told)


def prices_on(deployment: Deployment, on: date) -> PriceTable:
    """The deployment's prices on the day. Prefetch ``price_overrides`` where there are several."""
    return price_table(
        kind=deployment.account.kind,
        base_url=deployment.account.base_url,
        model=deployment.model,
        on=on,
        overrides=deployment.price_overrides.all(),
    )


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """One deployment as the provider page shows it."""

    deployment: Deployment
    prices: PriceTable

    @property
    def input_price(self) -> str:
        return per_million(self.prices.input_token)

    @property
    def output_price(self) -> str:
        return per_million(self.prices.output_token)

    @property
    def quota_words(self) -> str:
        return quota_words(quota_of(self.deployment)) or "no limit"


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account as the provider page shows it; nothing of its key but whether there is one."""

    account: ProviderAccount
    has_key: bool
    may_change: bool
    deployments: Sequence[DeploymentRow]

    @property
    def quota_words(self) -> str:
        """The limits of the whole account in one line; empty where it has none."""
        return quota_words(account_quota_of(self.account))


def deployments_for_page(
    project: Project, on: date, *, is_admin: bool, is_site_admin: bool
) -> list[AccountRow]:
    """Every account that the project may use with all its deployments, the project's own accounts first.

    ``is_admin``, ``is_site_admin``: whether the reader may change the project's and the site's accounts.
    """
    deployments = Deployment.objects.order_by("-active", "name").prefetch_related(
        Prefetch("price_overrides", queryset=PriceOverride.objects.order_by("effective_from"))
    )
    accounts = accounts_of(project).prefetch_related(Prefetch("deployments", queryset=deployments))
    return [
        AccountRow(
            account=account,
            has_key=bool(account.credential_encrypted),
            may_change=is_site_admin if account.project_id is None else is_admin,
            deployments=[
                DeploymentRow(deployment=deployment, prices=prices_on(deployment, on))
                for deployment in account.deployments.all()
            ],
        )
        for account in sorted(accounts, key=lambda account: (account.project_id is None, account.name))
    ]


def is_used(deployment: Deployment) -> bool:
    """Whether anything of any app refers to the deployment; deleting it would take that along or break it."""
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: deployment}).exists()
        for relation in Deployment._meta.related_objects
        if relation.related_model is not PriceOverride
    )

"""Fingerprints: short digests of what evidence was measured on, by key letter.

Evidence is stale as soon as one of the keys that its criterion declares differs from what would be shipped.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from decimal import Decimal

from readiness.checklist.catalogue.schema import FingerprintKey
from readiness.checklist.models import Target
from readiness.projects.models import OVERRIDABLE, Tier, TierOverride
from readiness.providers.models import Deployment
from readiness.providers.queries import account_quota_of, prices_on, quota_of
from readiness.providers.services import plain

MODEL_FIELDS = ("model", "parameters", "max_output_tokens", "base_url")
"""Fields of a deployment and its account that decide what its answers are, as the audit log names them."""

_DIGITS = 16
"""Hexadecimal digits that are kept: enough that two contents never share a digest by chance."""


def digest_of(*values: object) -> str:
    """The same for equal values; anything that JSON does not know counts as its text."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGITS]


def model_digest(deployment: Deployment) -> str:
    """M: the model id with the service that answers to it and the default parameters of a call."""
    account = deployment.account
    return digest_of(
        account.kind,
        account.base_url,
        deployment.model,
        deployment.parameters,
        deployment.max_output_tokens,
    )


def price_digest(deployment: Deployment, on: date) -> str:
    """$: what the deployment charges on a day, wherever the price comes from."""
    table = prices_on(deployment, on)
    rates = (table.input_token, table.cached_input_token, table.output_token, table.request)
    return digest_of(table.known, rates, [(above, str(rate)) for above, rate in table.long_inputs])


def limits_digest(
    deployment: Deployment, tiers: Iterable[Tier], overrides: Iterable[TierOverride] = ()
) -> str:
    """L: the limits of the deployment and of its account, how the provider counts them, every tier, and what
    the project's ``overrides`` make of them for everybody in it."""
    quota, account = quota_of(deployment), account_quota_of(deployment.account)
    shares = {tier.slug: _shares(tier) for tier in tiers}
    own = {row.tier_id: _shares(row) for row in overrides}
    known = (asdict(quota), asdict(account) if account else None, shares)
    # Without overrides it is what it was before they counted, so that no evidence turns stale for nothing.
    return digest_of(*known, own) if own else digest_of(*known)


def _shares(row: Tier | TierOverride) -> list[object]:
    return [_plain(getattr(row, name)) for name in OVERRIDABLE]


def _plain(value: object) -> object:
    """An amount of money without its zeros: a row that was read has cents, one that was typed may not."""
    return str(plain(value)) if isinstance(value, Decimal) else value


def fingerprint_of(target: Target, on: date) -> dict[FingerprintKey, str]:
    """What the project would ship on a day; a key of which nothing is known is absent."""
    fingerprint: dict[FingerprintKey, str] = {}
    if target.deployment is not None:
        fingerprint["M"] = model_digest(target.deployment)
        overrides = TierOverride.objects.filter(project=target.project, end_user="")
        fingerprint["L"] = limits_digest(target.deployment, Tier.objects.all(), overrides)
        fingerprint["$"] = price_digest(target.deployment, on)
    if target.prompt_version is not None:
        fingerprint["P"] = target.prompt_version.content_hash
    if target.dataset_version is not None:
        fingerprint["D"] = target.dataset_version.sha256
    if target.application_version:
        fingerprint["V"] = target.application_version
    return fingerprint

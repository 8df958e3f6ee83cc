"""What a request costs: public prices by date from genai-prices, replaced unit by unit by overrides.

The prices are those that the installed package carries; nothing is fetched. An unknown price stays unknown:
it is never zero and never guessed from a similar model.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache

import genai_prices
from genai_prices.types import ModelPrice, TieredPrices

from readiness.providers.base import PriceTable, Rates
from readiness.providers.models import PriceOverride, PriceUnit, ProviderKind

_NANOS_PER_TOKEN = 1_000
"""One US dollar per million tokens, in nano-dollars per token."""
_NANOS_PER_REQUEST = 1_000_000
"""One US dollar per thousand requests, in nano-dollars per request."""


@dataclass(frozen=True, slots=True)
class _Public:
    """Rates in the order of their thresholds (input tokens above which they apply), the first at 0."""

    tiers: Mapping[int, Rates]
    source: str


def price_table(
    *, kind: str, base_url: str, model: str, on: date, overrides: Iterable[PriceOverride] = ()
) -> PriceTable:
    """The prices of a model on a day (UTC).

    Of the overrides, the newest that is in force on the day wins for each unit. Where no public price is
    known, they make the table known only if they name both input and output tokens.
    """
    in_force = _in_force(overrides, on)
    public = None if kind == ProviderKind.RECORDED else _public(base_url, model, on)
    if public is None and not {PriceUnit.INPUT_TOKEN, PriceUnit.OUTPUT_TOKEN} <= in_force.keys():
        return PriceTable(known=False, source=_unknown(kind))
    tiers = {
        above: _overridden(rates, in_force)
        for above, rates in (public.tiers if public else {0: Rates()}).items()
    }
    if public is None and PriceUnit.CACHED_INPUT_TOKEN not in in_force:
        # Without a word about the cache, a cached token costs what every input token costs.
        tiers[0] = replace(tiers[0], cached_input_token=tiers[0].input_token)
    base = tiers.pop(0)
    return PriceTable(
        known=True,
        input_token=base.input_token,
        cached_input_token=base.cached_input_token,
        output_token=base.output_token,
        request=base.request,
        long_inputs=tuple(sorted(tiers.items(), key=lambda tier: tier[0])),
        source=_source(public, in_force),
    )


def per_million(rate: float) -> str:
    """A rate in nano-dollars per unit as US dollars per million units, exact: ``$0.075``, ``$15.00``."""
    dollars = (Decimal(str(rate)) / _NANOS_PER_TOKEN).normalize()
    exponent = dollars.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    return f"${dollars:,.{max(places, 2)}f}"


def _in_force(overrides: Iterable[PriceOverride], on: date) -> dict[str, PriceOverride]:
    in_force: dict[str, PriceOverride] = {}
    for override in sorted(overrides, key=lambda override: override.effective_from):
        if override.effective_from <= on:
            in_force[override.unit] = override
    return in_force


def _overridden(rates: Rates, in_force: Mapping[str, PriceOverride]) -> Rates:
    changes = {
        unit: float(override.usd_per_million * _NANOS_PER_TOKEN) for unit, override in in_force.items()
    }
    return replace(rates, **changes)


def _unknown(kind: str) -> str:
    if kind == ProviderKind.RECORDED:
        return "recorded outputs carry no price"
    return "no public price is known for this address and model; add a price override"


def _source(public: _Public | None, in_force: Mapping[str, PriceOverride]) -> str:
    own = [
        f"override from {override.effective_from} for {PriceUnit(unit).label.lower()}"
        for unit, override in sorted(in_force.items())
    ]
    return "; ".join([*own, *([public.source] if public else [])])


@lru_cache(maxsize=1024)
def _public(base_url: str, model: str, on: date) -> _Public | None:
    """Prices of the provider that this address belongs to; None where address or model is unknown."""
    try:
        prices = [_at(base_url, model, datetime.combine(on, time(hour), UTC)) for hour in range(24)]
    except LookupError:
        return None
    provider, model_id, _ = prices[0]
    tables = [tiers for _, _, tiers in prices]
    dearest = max(tables, key=lambda tiers: (tiers[0].input_token, tiers[0].output_token))
    source = f"genai-prices {genai_prices.__version__}, {provider} {model_id}"
    if any(tiers != dearest for tiers in tables):
        source += ", at its dearest hour of the day"
    return _Public(dearest, source)


def _at(base_url: str, model: str, moment: datetime) -> tuple[str, str, dict[int, Rates]]:
    """Provider, model id and rates by threshold. Raises ``LookupError``, also for prices not by the token."""
    found = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=1),
        model,
        provider_api_url=base_url,
        genai_request_timestamp=moment,
    )
    price = found.model_price
    if price.input_mtok is None and price.output_mtok is None:
        raise LookupError(model)
    parts = (price.input_mtok, price.cache_read_mtok, price.output_mtok)
    starts = {tier.start for part in parts if isinstance(part, TieredPrices) for tier in part.tiers}
    return found.provider.id, found.model.id, {above: _rates(price, above) for above in sorted({0, *starts})}


def _rates(price: ModelPrice, above: int) -> Rates:
    input_mtok = _tier(price.input_mtok, above) or Decimal(0)
    cached_mtok = _tier(price.cache_read_mtok, above)
    return Rates(
        input_token=float(input_mtok * _NANOS_PER_TOKEN),
        cached_input_token=float((input_mtok if cached_mtok is None else cached_mtok) * _NANOS_PER_TOKEN),
        output_token=float((_tier(price.output_mtok, above) or Decimal(0)) * _NANOS_PER_TOKEN),
        request=float((_tier(price.requests_kcount, above) or Decimal(0)) * _NANOS_PER_REQUEST),
    )


def _tier(price: Decimal | TieredPrices | None, above: int) -> Decimal | None:
    """The price that holds for requests with more input tokens than ``above``."""
    if not isinstance(price, TieredPrices):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= above]
    return reached[-1] if reached else price.base

"""Prices by date, overrides by unit, and nothing guessed."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from readiness.providers.base import PriceTable, Rates, Usage
from readiness.providers.models import PriceOverride
from readiness.providers.prices import per_million, price_table

OPENAI = "https://api.openai.com/v1"
DAY = date(2026, 6, 1)


def table(
    model: str, *overrides: PriceOverride, base_url: str = OPENAI, on: date = DAY, kind: str = "openai"
) -> PriceTable:
    return price_table(kind=kind, base_url=base_url, model=model, on=on, overrides=overrides)


def override(unit: str, usd: str, start: date = date(2026, 1, 1)) -> PriceOverride:
    return PriceOverride(unit=unit, usd_per_million=Decimal(usd), effective_from=start)


def test_public_price_is_found_by_address_and_model() -> None:
    prices = table("gpt-4o-mini")
    assert prices.known
    assert (prices.input_token, prices.cached_input_token, prices.output_token) == (150, 75, 600)
    assert prices.source.startswith("genai-prices ")
    assert prices.source.endswith("openai gpt-4o-mini")


def test_price_of_anthropics_api_is_found_with_its_cache_and_long_inputs() -> None:
    prices = table("claude-sonnet-4-5-20250929", base_url="https://api.anthropic.com/v1", kind="anthropic")
    assert (prices.input_token, prices.cached_input_token, prices.output_token) == (3000, 300, 15_000)
    assert [(above, rates.input_token) for above, rates in prices.long_inputs] == [(200_000, 6000)]


def test_dated_model_id_has_the_price_of_its_model() -> None:
    assert table("gpt-4o-mini-2024-07-18").output_token == table("gpt-4o-mini").output_token


@pytest.mark.parametrize(
    ("model", "base_url"),
    [
        ("no-such-model", OPENAI),
        ("gpt-4o-mini", "http://127.0.0.1:8000/v1"),
        ("gpt-4o-mini", "https://gateway.example.com/v1"),
        ("sim-small-2026-06", "http://127.0.0.1:8790/v1"),
        ("whisper-large-v3", "https://api.groq.com/openai/v1"),
    ],
)
def test_price_of_an_unknown_model_or_address_is_unknown(model: str, base_url: str) -> None:
    prices = table(model, base_url=base_url)
    assert not prices.known
    assert "add a price override" in prices.source


def test_recorded_outputs_have_no_price() -> None:
    prices = table("gpt-4o-mini", kind="recorded", base_url="")
    assert (prices.known, prices.source) == (False, "recorded outputs carry no price")


def test_price_follows_the_day_of_the_request() -> None:
    days = (date(2025, 6, 9), date(2025, 6, 10))
    assert [table("o3", on=day).input_token for day in days] == [10_000, 2_000]


def test_price_that_depends_on_the_hour_is_the_dearest_and_says_so() -> None:
    prices = table("deepseek-v4-pro", base_url="https://api.deepseek.com", on=date(2026, 9, 1))
    assert prices.output_token == 3_960
    assert prices.source.endswith("at its dearest hour of the day")


def test_request_price_is_per_request() -> None:
    assert table("sonar", base_url="https://api.perplexity.ai").request == 12_000_000


def test_long_input_pays_its_own_rates_throughout() -> None:
    prices = table("gpt-5.4", on=date(2026, 11, 1))
    (threshold, rates), *_ = prices.long_inputs
    at, above = Usage(input_tokens=threshold), Usage(input_tokens=threshold + 1)
    assert prices.cost_nanos(at) == round(threshold * prices.input_token)
    assert prices.cost_nanos(above) == round((threshold + 1) * rates.input_token)
    assert rates.input_token > prices.input_token


def test_cost_counts_cached_tokens_at_their_own_price() -> None:
    prices = table("gpt-4o-mini")
    usage = Usage(input_tokens=1000, cached_input_tokens=400, output_tokens=100)
    assert prices.cost_nanos(usage) == 600 * 150 + 400 * 75 + 100 * 600


def test_override_wins_for_its_unit_only() -> None:
    prices = table("gpt-4o-mini", override("output_token", "1.5"))
    assert (prices.input_token, prices.output_token) == (150, 1500)
    assert prices.source.startswith("override from 2026-01-01 for output tokens; genai-prices ")


def test_override_of_requests_is_per_million_requests() -> None:
    assert table("gpt-4o-mini", override("request", "2500")).cost_nanos(Usage()) == 2_500_000


def test_newest_override_in_force_wins() -> None:
    rows = [
        override("output_token", "3", date(2026, 7, 1)),
        override("output_token", "2", date(2026, 5, 1)),
        override("output_token", "1", date(2026, 1, 1)),
    ]
    prices = {on: table("gpt-4o-mini", *rows, on=on).output_token for on in (DAY, date(2026, 7, 1))}
    assert prices == {DAY: 2000, date(2026, 7, 1): 3000}


def test_override_wins_for_long_inputs_too() -> None:
    prices = table("gpt-5.4", override("output_token", "1"), on=date(2026, 11, 1))
    assert [rates.output_token for _, rates in prices.long_inputs] == [1000]


def test_overrides_of_input_and_output_make_a_price_known() -> None:
    rows = [override("input_token", "0.10"), override("output_token", "0.40")]
    prices = table("sim-small-2026-06", *rows, base_url="http://127.0.0.1:8790/v1")
    assert prices == PriceTable(
        known=True,
        input_token=100,
        cached_input_token=100,
        output_token=400,
        source="override from 2026-01-01 for input tokens; override from 2026-01-01 for output tokens",
    )


@pytest.mark.parametrize("unit", ["input_token", "output_token", "request", "cached_input_token"])
def test_override_of_one_unit_does_not_make_a_price_known(unit: str) -> None:
    assert not table("sim-small-2026-06", override(unit, "1"), base_url="http://127.0.0.1:8790/v1").known


def test_override_of_zero_is_a_known_price() -> None:
    rows = [override("input_token", "0"), override("output_token", "0")]
    prices = table("llama", *rows, base_url="http://127.0.0.1:8000/v1")
    assert prices.known
    assert prices.cost_nanos(Usage(input_tokens=5, output_tokens=5)) == 0


def test_override_that_starts_tomorrow_is_not_in_force() -> None:
    assert table("gpt-4o-mini", override("output_token", "9", date(2026, 6, 2))).output_token == 600


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (75.0, "$0.075"),
        (15_000.0, "$15.00"),
        (0.0, "$0.00"),
        (2_500_000.0, "$2,500.00"),
        (3.625, "$0.003625"),
    ],
)
def test_per_million_is_exact(rate: float, text: str) -> None:
    assert per_million(rate) == text


def test_rates_round_once_at_the_end() -> None:
    assert Rates(input_token=0.25).cost_nanos(Usage(input_tokens=6)) == 2


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("ours", "base_url", "theirs"),
    [
        ("gpt-4o", OPENAI, "gpt-4o"),
        ("gpt-4o-mini", OPENAI, "gpt-4o-mini"),
        ("gpt-4.1-mini", OPENAI, "gpt-4.1-mini"),
        ("o3-mini", OPENAI, "o3-mini"),
        ("openai/gpt-oss-120b", "https://api.groq.com/openai/v1", "groq/openai/gpt-oss-120b"),
        ("codestral-latest", "https://api.mistral.ai/v1", "mistral/codestral-latest"),
        ("claude-sonnet-4-5", "https://api.anthropic.com/v1", "claude-sonnet-4-5"),
    ],
)
def test_price_agrees_with_another_collection(
    ours: str, base_url: str, theirs: str, shared_data: Path
) -> None:
    other = _litellm(shared_data)[theirs]
    prices = table(ours, base_url=base_url)
    expected = [other["input_cost_per_token"] * 1e9, other["output_cost_per_token"] * 1e9]
    assert [prices.input_token, prices.output_token] == pytest.approx(expected)


def _litellm(folder: Path) -> dict[str, Any]:
    with gzip.open(folder / "litellm_prices_1.109.1.json.gz", "rt") as file:
        prices: dict[str, Any] = json.load(file)
    return prices

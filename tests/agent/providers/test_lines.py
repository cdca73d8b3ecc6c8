"""The quick way to a price is the price: straight lines say what the price data calculates, to the nano-dollar."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import pytest
from genai_prices import Usage as BilledUsage
from genai_prices.data_snapshot import get_snapshot

from fakes import START
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.providers.prices import Listed

LENGTHS = (0, 1, 999, 127_999, 128_000, 128_001, 199_999, 200_000, 200_001, 272_000, 272_001, 1_000_003)


def listed(provider: str) -> list[Listed]:
    snapshot = get_snapshot()
    found = next(row for row in snapshot.providers if row.id == provider)
    return [Listed(model=model, provider=found, source="test", now=lambda: START) for model in found.models]


def calculated(price: Listed, input_tokens: int, output_tokens: int, at: datetime) -> int:
    billed = BilledUsage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=0,
        cache_write_tokens=0,
        output_reasoning_tokens=0,
    )
    total: Decimal = price.model.calc_price(billed, price.provider, genai_request_timestamp=at).total_price
    return int((total * 10**9).to_integral_value(rounding=ROUND_CEILING))


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "deepseek", "groq", "mistral", "x-ai", "cohere"])
def test_a_cost_is_what_the_price_data_calculates_at_every_length_and_hour(provider: str) -> None:
    priced = 0
    for price in listed(provider):
        at = START + timedelta(hours=priced % 24)
        if price.model.get_prices(at).input_mtok is None or price.model.get_prices(at).output_mtok is None:
            continue
        priced += 1
        for length in LENGTHS:
            cost = price.cost(Usage(input_tokens=length, output_tokens=257), at)
            assert cost == calculated(price, length, 257, at), (price.model.id, length)
            fresh = replace(price, lines={})
            assert price.worst(length, 257, at) == fresh.worst(length, 257, at) >= cost, (price.model.id, length)
    assert priced > 0


def test_a_dear_hour_begins_on_time() -> None:
    for price in listed("deepseek"):
        if not isinstance(price.model.prices, list):
            continue
        hours = [START.replace(minute=0) + timedelta(minutes=30 * step) for step in range(48)]
        costs = [price.cost(Usage(input_tokens=1_000, output_tokens=100), at) for at in hours]
        assert costs == [calculated(price, 1_000, 100, at) for at in hours]

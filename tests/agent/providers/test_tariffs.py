"""The plain numbers planning reckons with are the price itself: two straight lines, or none where it bends."""

from datetime import datetime, timedelta

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TimeOfDateConstraint
from hypothesis import given
from hypothesis import strategies as st

from fakes import START
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.providers.model import Price
from omniroute_agent.providers.prices import Free, Listed, OwnPrice, Stated

LENGTHS = (0, 999, 128_000, 128_001, 200_000, 200_001, 272_001, 1_000_003)
MOMENTS = tuple(START + timedelta(minutes=minutes) for minutes in (0, 1, 238, 270, 271, 720, 751))
"""Around the ends of the hours in which some are cheaper."""


def check(price: Price, input_tokens: int, bound: int, output: int, at: datetime) -> bool:
    """Whether there is a tariff; it has to say what the price says."""
    lines = price.tariff(input_tokens, bound, at)
    if lines is None:
        return False
    plain = lines.fee - (-(input_tokens * lines.input + output * lines.output) // 1_000_000)
    assert plain == price.cost(Usage(input_tokens=input_tokens, output_tokens=output), at)
    assert lines.worst(bound, output) == price.worst(bound, output, at)
    return True


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "deepseek", "mistral"])
def test_a_listed_price_and_its_tariff_are_one_at_every_length_and_hour(provider: str) -> None:
    row = next(row for row in get_snapshot().providers if row.id == provider)
    straight = asked = 0
    for model in row.models:
        price = Listed(model=model, provider=row, source="test", now=lambda: START)
        if any(None in (prices.input_mtok, prices.output_mtok) for prices in _lists(price)):
            continue
        for at in MOMENTS:
            for length in LENGTHS:
                asked += 1
                straight += check(price, length, 4 * length, 257, at)
    # Within the hour before a cheaper hour ends no one line holds for the bound.
    assert straight > asked / 2


def _lists(price: Listed) -> list[ModelPrice]:
    prices = price.model.prices
    return [entry.prices for entry in prices] if isinstance(prices, list) else [prices]


def test_the_cheaper_hours_begin_and_end_on_whole_minutes() -> None:
    hours = [
        entry.constraint
        for row in get_snapshot().providers
        for model in row.models
        if isinstance(model.prices, list)
        for entry in model.prices
        if isinstance(entry.constraint, TimeOfDateConstraint)
    ]
    assert hours
    assert all(at.second == at.microsecond == 0 for found in hours for at in (found.start_time, found.end_time))


@given(
    own=st.builds(
        OwnPrice,
        input=st.integers(0, 10**9),
        output=st.integers(0, 10**9),
        cache_read=st.none() | st.integers(0, 10**9),
        cache_write=st.none() | st.integers(0, 10**9),
        input_bound=st.none() | st.integers(0, 10**9),
    ),
    tokens=st.integers(0, 10**7),
    output=st.integers(0, 10**6),
    left=st.integers(0, 10**16),
)
def test_a_stated_price_is_straight_and_tells_how_long_an_answer_may_be(
    own: OwnPrice, tokens: int, output: int, left: int
) -> None:
    price = Stated(prices=own, source="test")
    assert check(price, tokens, 2 * tokens, output, START)
    lines = price.tariff(tokens, tokens, START)
    most = lines.most_output(tokens, left)
    if most is None:
        assert price.worst(tokens, 10**9, START) <= left
    elif most < 0:
        assert price.worst(tokens, 0, START) > left
    else:
        assert price.worst(tokens, most, START) <= left < price.worst(tokens, most + 1, START)


def test_what_is_free_is_free_at_any_length() -> None:
    assert check(Free(), 10**6, 10**7, 10**5, START)

"""Money: known prices are exact, bounds hold, and what is unknown is never 0."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ClauseEquals, ConditionalPrice, ModelInfo, ModelPrice, Tier, TieredPrices
from genai_prices.types import Provider as PricedProvider
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import START
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.tier import Tier as ConnectionTier
from omniroute_agent.providers.known import Bundled, Known, Listing, Said
from omniroute_agent.providers.model import Connection, Endpoint, Price, Source
from omniroute_agent.providers.price_book import FRESH_DAYS, PriceBook
from omniroute_agent.providers.prices import Listed, OwnPrice
from omniroute_agent.providers.table import PROVIDERS
from omniroute_agent.store.models import ListRow
from omniroute_agent.store.prices import PriceRow, PriceTables

CENTS = OwnPrice.from_usd(input="1", output="2", cache_read="0.1", cache_write="1.25")
BOOK = PriceBook(now=lambda: START)


def connection(
    provider: str, *, name: str | None = None, source: Source = "settings", tier: ConnectionTier | None = None
) -> Connection:
    row = PROVIDERS[provider]

    async def reach() -> Endpoint:
        return Endpoint(base_url=row.base_url)

    return Connection(id=name or provider, provider=row, source=source, tier=tier or row.tier, reach=reach)


def known(provider: str, model: str, **options: Any) -> Price:
    price = BOOK.price(connection(provider), model, **options)
    assert price is not None
    return price


def test_a_plain_price_is_exact_to_the_nano_dollar() -> None:
    price = known("openai", "gpt-4o-mini")

    assert (price.input_per_million, price.output_per_million) == (150_000_000, 600_000_000)
    # 1,000 uncached × 0.15 + 500 × 0.60 USD per million
    assert price.cost(Usage(input_tokens=1_000, output_tokens=500), START) == 150_000 + 300_000
    assert price.source.startswith("genai-prices ")


def test_a_cached_token_is_billed_at_the_cache_price_and_not_twice() -> None:
    price = known("openai", "gpt-4o-mini")

    all_read = price.cost(Usage(input_tokens=1_000_000, output_tokens=0, cache_read_tokens=1_000_000), START)

    assert all_read == 75_000_000


def test_anthropic_cache_writes_cost_more_than_plain_input() -> None:
    price = known("anthropic", "claude-haiku-4-5")

    assert (
        price.cost(Usage(input_tokens=1_000_000, output_tokens=0, cache_write_tokens=1_000_000), START) == 1_250_000_000
    )


def test_a_prompt_over_the_threshold_is_billed_at_the_higher_tier_for_all_tokens() -> None:
    price = known("gemini", "gemini-2.5-pro")

    below = price.cost(Usage(input_tokens=200_000, output_tokens=0), START)
    above = price.cost(Usage(input_tokens=200_001, output_tokens=0), START)

    assert below == 250_000_000
    assert above == 500_002_500


def test_the_bound_of_a_prompt_just_over_a_threshold_still_covers_the_shorter_one() -> None:
    price = known("gemini", "gemini-2.5-pro")

    assert price.worst(200_001, 10, START) >= price.cost(Usage(input_tokens=200_001, output_tokens=10), START)
    assert price.worst(200_000, 10, START) < price.worst(200_001, 10, START)


def test_off_peak_hours_are_cheaper_and_the_bound_knows_that_the_dear_hour_is_near() -> None:
    price = known("deepseek", "deepseek-flash")
    night = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
    peak = datetime(2026, 11, 23, 1, 15, tzinfo=UTC)
    usage = Usage(input_tokens=1_000_000, output_tokens=0)

    assert price.cost(usage, night) == 150_000_000
    assert price.cost(usage, peak) == 300_000_000
    assert price.worst(1_000_000, 0, night) == 300_000_000


def test_a_fee_per_request_is_part_of_the_cost_and_of_the_bound() -> None:
    price = known("perplexity", "sonar")

    assert price.cost(Usage(input_tokens=0, output_tokens=0), START) == 12_000_000
    assert price.worst(0, 0, START) == 12_000_000


def test_a_dearer_service_tier_is_priced_as_such() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=0)

    plain = known("openai", "gpt-5.4-mini").cost(usage, START)
    priority = known("openai", "gpt-5.4-mini", context={"service_tier": "priority"}).cost(usage, START)

    assert (plain, priority) == (750_000_000, 1_500_000_000)


def test_the_same_model_at_openrouter_has_its_name_with_the_vendor() -> None:
    assert BOOK.price(connection("openrouter"), "openai/gpt-4o-mini") is not None
    assert BOOK.price(connection("openrouter"), "gpt-4o-mini-that-nobody-sells") is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-99-turbo"),
        ("openai", "text-embedding-3-small"),
        ("openai", "whisper-1"),
        ("gemini", "gemma-3"),
        ("perplexity", "sonar-deep-research"),
        ("nvidia", "meta/llama-3.3-70b-instruct"),
        ("custom-openai", "gpt-4o-mini"),
        ("groq", "claude-haiku-4-5"),
        ("openrouter", "stealth/crouton-alpha"),
    ],
)
def test_an_unknown_price_is_unknown_and_never_free(provider: str, model: str) -> None:
    assert BOOK.price(connection(provider), model) is None


def test_a_model_that_the_data_names_free_costs_nothing() -> None:
    rows = next(p for p in get_snapshot().providers if p.id == "openrouter").models
    name = next(row.id for row in rows if row.id.endswith(":free") and not vars(row.prices))
    price = known("openrouter", name)

    assert price.cost(Usage(input_tokens=10**6, output_tokens=10**6), START) == 0
    assert price.worst(10**6, 10**6, START) == 0


def test_the_word_free_does_not_make_another_providers_model_free() -> None:
    assert BOOK.price(connection("openrouter"), "openai/gpt-6-luna:free") is None


@pytest.mark.parametrize(("provider", "source"), [("ollama", "loopback"), ("local", "local")])
def test_what_runs_on_this_machine_is_free(provider: str, source: Source) -> None:
    price = BOOK.price(connection(provider, source=source), "anything")

    assert price is not None
    assert price.source == "free"
    assert price.cost(Usage(input_tokens=10**6, output_tokens=10**6), START) == 0


def synced(*rows: PriceRow, at: datetime = START, own: tuple[PriceRow, ...] = ()) -> Bundled:
    return Bundled(Known(prices=PriceTables(own=own, synced=rows, source="a list", at=at.timestamp())))


def test_the_owners_price_beats_every_other() -> None:
    by_hand = (PriceRow(name="openai/gpt-5-mini", input=5, output=5), PriceRow(name="work/both", input=5, output=5))
    book = PriceBook(
        now=lambda: START,
        own={"work/gpt-4o-mini": CENTS, "ollama/big": CENTS, "work/both": CENTS},
        known=synced(
            PriceRow(name="openai/gpt-4o-mini", input=9, output=9),
            PriceRow(name="openai/gpt-5-mini", input=9, output=9),
            own=by_hand,
        ),
    )

    def found(where: Connection, model: str) -> tuple[str, int]:
        price = book.price(where, model)
        assert price is not None
        return price.source, price.input_per_million

    assert found(connection("openai", name="work"), "gpt-4o-mini") == ("settings", 1_000_000_000)
    assert found(connection("ollama", source="loopback"), "big") == ("settings", 1_000_000_000)
    assert found(connection("openai", name="work"), "both") == ("set by hand", 5)
    assert found(connection("openai"), "gpt-5-mini") == ("set by hand", 5)
    assert found(connection("openai"), "gpt-4o-mini") == ("a list, 2026-11-21", 9)


def test_an_old_synced_price_stands_behind_the_bundled_one_and_is_better_than_none() -> None:
    rows = tuple(PriceRow(name=f"openai/{name}", input=9, output=9) for name in ("gpt-4o-mini", "brand-new"))
    book = PriceBook(now=lambda: START, known=synced(*rows, at=START - timedelta(days=FRESH_DAYS)))
    young = PriceBook(now=lambda: START, known=synced(*rows, at=START - timedelta(days=FRESH_DAYS - 1)))

    def inputs(each: PriceBook) -> list[int | None]:
        prices = [each.price(connection("openai"), name) for name in ("gpt-4o-mini", "brand-new", "unheard-of")]
        return [None if price is None else price.input_per_million for price in prices]

    assert inputs(young) == [9, 9, None]
    assert inputs(book) == [150_000_000, 9, None]


def test_what_a_providers_list_says_of_prices_fills_in_where_nothing_else_knows() -> None:
    listing = Listing(
        models={"gpt-4o-mini": Said(input=9, output=9), "brand-new": Said(input=9, output=9), "mute": Said()},
        gone={},
        state=ListRow(
            connection="openai", claimed_at=0.0, read_at=1.0, changed_at=1.0, source="https://x.example", trouble=None
        ),
    )
    book = PriceBook(now=lambda: START, known=Bundled(Known(lists={"openai": listing})))
    prices = [book.price(connection("openai"), name) for name in ("gpt-4o-mini", "brand-new", "mute")]
    assert [None if price is None else price.input_per_million for price in prices] == [150_000_000, 9, None]
    assert prices[1] is not None
    assert prices[1].source == "openai's own list"


def test_the_dearest_an_input_token_can_be_is_in_the_bound_and_not_in_the_cost() -> None:
    row = PriceRow(name="openai/a", input=1_000_000, output=0, cache_write=2_000_000, input_bound=3_000_000)
    price = PriceBook(now=lambda: START, known=synced(row)).price(connection("openai"), "a")
    assert price is not None
    assert price.worst(10, 0, START) == 30
    assert price.cost(Usage(input_tokens=10, output_tokens=0, cache_write_tokens=10), START) == 20


def test_own_cache_prices_count_and_one_that_is_not_stated_is_the_input_price() -> None:
    book = PriceBook(now=lambda: START, own={"openai/a": CENTS, "openai/b": OwnPrice(input=1_000_000, output=0)})
    usage = Usage(input_tokens=1_000, output_tokens=0, cache_read_tokens=600, cache_write_tokens=400)
    full, short = (book.price(connection("openai"), name) for name in "ab")

    assert full is not None
    assert full.cost(usage, START) == 600 * 100 + 400 * 1_250
    assert short is not None
    assert short.cost(usage, START) == 1_000


@pytest.mark.parametrize("amount", ["-1", "NaN", "cheap", "Infinity"])
def test_a_price_that_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"amount|finite|below"):
        OwnPrice.from_usd(input=amount, output="1")


def test_less_than_a_nano_dollar_is_rounded_up_once() -> None:
    book = PriceBook(now=lambda: START, own={"openai/a": OwnPrice(input=1, output=1)})
    price = book.price(connection("openai"), "a")

    assert price is not None
    assert price.cost(Usage(input_tokens=1, output_tokens=1), START) == 1


def test_a_report_that_contradicts_itself_is_read_the_dear_way_and_breaks_nothing() -> None:
    price = known("openai", "gpt-4o-mini")

    cost = price.cost(Usage(input_tokens=10, output_tokens=5, cache_read_tokens=1_000, reasoning_tokens=50), START)

    assert cost == 75 * 1_000 + 600 * 50


def test_a_synthetic_row_that_gets_cheaper_with_length_keeps_its_bound() -> None:
    """A tier below the base price must not lower the bound: the shorter prompt is billed at the base."""
    tiers = TieredPrices(base=Decimal(5), tiers=[Tier(start=100, price=Decimal(1))])
    row = ModelInfo(
        id="odd",
        match=ClauseEquals("odd"),
        prices=[ConditionalPrice(None, prices=ModelPrice(input_mtok=tiers, output_mtok=Decimal(1)))],
    )
    price = Listed(
        model=row, provider=PricedProvider(id="x", name="x", api_pattern=""), source="test", now=lambda: START
    )

    assert price.worst(1_000, 0, START) >= price.cost(Usage(input_tokens=100, output_tokens=0), START)


def priced() -> list[tuple[str, str]]:
    """Every model of every provider in the table whose price is known."""
    return [
        (provider.id, name)
        for provider in PROVIDERS.values()
        if provider.prices
        for name in BOOK.names(provider.prices, prefix=provider.model_prefix)
        if BOOK.price(connection(provider.id), name) is not None
    ]


PRICED = priced()
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 6, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001 (made aware)
SIZES = st.one_of(
    st.integers(0, 3_000_000), st.sampled_from([0, 1, 100_000, 128_000, 199_999, 200_000, 200_001, 272_001])
)


@settings(max_examples=400, deadline=None)
@given(
    target=st.sampled_from(PRICED),
    at=MOMENTS,
    later=st.integers(0, 3_600),
    bounds=st.tuples(SIZES, SIZES),
    shares=st.tuples(*[st.floats(0, 1)] * 5),
)
def test_no_usage_within_the_bounds_costs_more_than_was_reserved(
    target: tuple[str, str], at: datetime, later: int, bounds: tuple[int, int], shares: tuple[float, ...]
) -> None:
    price = known(*target)
    most_in, most_out = bounds
    spent_in, spent_out = int(most_in * shares[0]), int(most_out * shares[1])
    read = int(spent_in * shares[2])
    write = int((spent_in - read) * shares[3])
    usage = Usage(
        input_tokens=spent_in,
        output_tokens=spent_out,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=int(spent_out * shares[4]),
    )

    assert 0 <= price.cost(usage, at + timedelta(seconds=later)) <= price.worst(most_in, most_out, at)


@settings(max_examples=100, deadline=None)
@given(
    own=st.tuples(*[st.integers(0, 10**11)] * 2, *[st.one_of(st.none(), st.integers(0, 10**11))] * 2),
    bounds=st.tuples(SIZES, SIZES),
    shares=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_the_bound_holds_for_the_owners_prices_too(
    own: tuple[int, int, int | None, int | None], bounds: tuple[int, int], shares: tuple[float, ...]
) -> None:
    stated = OwnPrice(input=own[0], output=own[1], cache_read=own[2], cache_write=own[3])
    price = PriceBook(now=lambda: START, own={"openai/a": stated}).price(connection("openai"), "a")
    assert price is not None
    spent_in, spent_out = int(bounds[0] * shares[0]), int(bounds[1] * shares[1])
    read = int(spent_in * shares[2])
    write = int((spent_in - read) * shares[3])

    cost = price.cost(
        Usage(input_tokens=spent_in, output_tokens=spent_out, cache_read_tokens=read, cache_write_tokens=write), START
    )

    assert cost <= price.worst(*bounds, START)


def test_many_models_have_a_price() -> None:
    assert len(PRICED) > 900

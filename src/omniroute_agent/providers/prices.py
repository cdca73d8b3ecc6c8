"""What a model costs on a connection: the owner's own prices, then synced ones, then genai-prices.

Everything is exact: prices are integers of nano-dollars per million tokens or `Decimal`, and an amount is rounded up
once. An unknown price is None and never 0; free is said only of what runs on this machine, of connections whose owner
calls them free, and of models the price data itself names free (`:free`).

Limits, stated: charges that no token count shows (searches a model makes by itself, built-in tools) are not in these
amounts, and a model whose price has such a part per token is unknown. A caller's `service_tier` changes prices; pass
it as `context`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final

from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.money import NANO_PER_USD, nano_from_usd
from omniroute_agent.providers.model import Connection, Price

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice
    from genai_prices.types import Provider as PricedProvider

MILLION: Final = 1_000_000

PriceContext = Mapping[str, str]
"""What of a request changes its price, e.g. `{"service_tier": "priority"}`."""

_BOUND_MOMENTS: Final = tuple(timedelta(minutes=m) for m in (0, 30, 60))
"""A call may be billed after a price changed or a dear hour began; a bound holds for the next hour."""

_MAX_REMEMBERED: Final = 4096
"""Looked-up models; names come from callers, so their number has an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrice:
    """Prices somebody stated, in nano-dollars per million tokens. A cache price that is absent is the input price."""

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None

    @classmethod
    def from_usd(
        cls,
        *,
        input: str,  # noqa: A002 (the field's name)
        output: str,
        cache_read: str | None = None,
        cache_write: str | None = None,
    ) -> "OwnPrice":
        """From decimal strings of USD per million tokens.

        Raises:
            ValueError: not an amount, or below zero.
        """
        amounts = {"input": input, "output": output, "cache_read": cache_read, "cache_write": cache_write}
        nano = {name: None if usd is None else nano_from_usd(usd) for name, usd in amounts.items()}
        for name, amount in nano.items():
            if amount is not None and amount < 0:
                raise ValueError(f"the {name} price is below zero")
        return cls(
            input=nano["input"] or 0,
            output=nano["output"] or 0,
            cache_read=nano["cache_read"],
            cache_write=nano["cache_write"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Nothing is billed per token."""

    source: str = "free"
    input_per_million: int = 0
    output_per_million: int = 0

    def cost(self, usage: Usage, at: datetime) -> int:  # noqa: ARG002 (the protocol's shape)
        return 0

    def worst(self, input_tokens: int, output_tokens: int, at: datetime) -> int:  # noqa: ARG002 (the protocol's shape)
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A price list of four numbers."""

    prices: OwnPrice
    source: str

    @property
    def input_per_million(self) -> int:
        return self.prices.input

    @property
    def output_per_million(self) -> int:
        return self.prices.output

    def cost(self, usage: Usage, at: datetime) -> int:  # noqa: ARG002 (stated prices have no dates)
        counts = _counts(usage)
        read = self.prices.input if self.prices.cache_read is None else self.prices.cache_read
        write = self.prices.input if self.prices.cache_write is None else self.prices.cache_write
        amount = (
            counts.plain * self.prices.input
            + counts.read * read
            + counts.write * write
            + counts.output * self.prices.output
        )
        return -(-amount // MILLION)

    def worst(self, input_tokens: int, output_tokens: int, at: datetime) -> int:  # noqa: ARG002 (stated prices have no dates)
        dearest = max(self.prices.input, self.prices.cache_read or 0, self.prices.cache_write or 0)
        return -(-(input_tokens * dearest + output_tokens * self.prices.output) // MILLION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A model's price list in genai-prices, with its dates, hours, tiers and cache prices."""

    model: "ModelInfo"
    provider: "PricedProvider"
    source: str
    now: Callable[[], datetime]
    context: PriceContext = field(default_factory=dict)

    @property
    def input_per_million(self) -> int:
        return nano_from_usd(_base(self._at(self.now()).input_mtok))

    @property
    def output_per_million(self) -> int:
        return nano_from_usd(_base(self._at(self.now()).output_mtok))

    def cost(self, usage: Usage, at: datetime) -> int:
        # Already loaded when a Listed exists; imported here because importing it costs 0.25 s (see `_Data`).
        from genai_prices import Usage as BilledUsage  # noqa: PLC0415 (lazy, see above)

        counts = _counts(usage)
        billed = BilledUsage(
            input_tokens=counts.plain + counts.read + counts.write,
            output_tokens=counts.output,
            cache_read_tokens=counts.read,
            cache_write_tokens=counts.write,
            output_reasoning_tokens=counts.reasoning,
        )
        price = self.model.calc_price(
            billed, self.provider, genai_request_timestamp=at, price_context=self.context or None
        )
        return _nano_up(price.total_price)

    def worst(self, input_tokens: int, output_tokens: int, at: datetime) -> int:
        """Holds for usage within these bounds that is billed at `at` or within the hour after it."""
        dearest = Decimal(0)
        for moment in _BOUND_MOMENTS:
            rates = _dearest(self._at(at + moment), input_tokens)
            dearest = max(dearest, rates.fee + (rates.input * input_tokens + rates.output * output_tokens) / MILLION)
        return _nano_up(dearest)

    def _at(self, moment: datetime) -> "ModelPrice":
        return self.model.get_prices(moment, self.context or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Billable tokens of one usage report, each counted once. A report that contradicts itself is read the dear way."""

    plain: int
    read: int
    write: int
    output: int
    reasoning: int


def _counts(usage: Usage) -> _Counts:
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    return _Counts(
        plain=max(usage.input_tokens - cached, 0),
        read=usage.cache_read_tokens,
        write=usage.cache_write_tokens,
        output=max(usage.output_tokens, usage.reasoning_tokens),
        reasoning=usage.reasoning_tokens,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """USD per million tokens, and per request."""

    input: Decimal
    output: Decimal
    fee: Decimal


def _dearest(price: "ModelPrice", input_tokens: int) -> _Rates:
    """The highest rate each token could be billed at when a prompt has at most `input_tokens`.

    Cache writes kept for an hour are among the rates, although usage reports do not tell them from short ones.
    """
    top = {"input": Decimal(0), "output": Decimal(0)}
    fee = Decimal(0)
    for key, value in _parts(price):
        if key == "requests_kcount":
            fee = max(_reachable(value, input_tokens), default=Decimal(0)) / 1000
        elif key.endswith("_mtok") and "audio" not in key and "video" not in key:
            direction = "output" if key.startswith("output") else "input"
            top[direction] = max(top[direction], *_reachable(value, input_tokens))
    return _Rates(input=top["input"], output=top["output"], fee=fee)


def _reachable(value: object, input_tokens: int) -> list[Decimal]:
    """A price jumps at thresholds of the prompt's length, for all tokens: every tier up to the bound may apply."""
    if isinstance(value, Decimal):
        return [value]
    tiers = [tier.price for tier in getattr(value, "tiers", ()) if input_tokens > tier.start]
    return [_base(value), *tiers]


def _base(value: object) -> Decimal:
    base = getattr(value, "base", value)
    if not isinstance(base, Decimal):
        raise TypeError("a listed price without input or output is unknown and never becomes a Listed")
    return base


def _parts(price: "ModelPrice") -> Iterator[tuple[str, object]]:
    return ((key, value) for key, value in vars(price).items() if value is not None and not key.startswith("_"))


def _nano_up(usd: Decimal) -> int:
    return int((usd * NANO_PER_USD).to_integral_value(rounding=ROUND_CEILING))


class PriceBook:
    """Finds the price of a model on a connection.

    `own` maps `connection/model` or `provider/model` to prices the owner stated; nothing overrides them.
    """

    def __init__(self, *, now: Callable[[], datetime], own: Mapping[str, OwnPrice] | None = None) -> None:
        self._now = now
        self._own = dict(own or {})
        self._synced: dict[str, Stated] = {}
        self._listed: dict[tuple[str, str], tuple[PricedProvider, ModelInfo] | None] = {}

    def sync(self, prices: Mapping[str, OwnPrice], *, source: str) -> None:
        """Replaces the synced prices (`provider/model` → price); an empty mapping changes nothing."""
        if prices:
            self._synced = {name: Stated(prices=price, source=source) for name, price in prices.items()}

    def price(self, connection: Connection, model: str, *, context: PriceContext | None = None) -> Price | None:
        """None: unknown."""
        names = (f"{connection.id}/{model}", f"{connection.provider.id}/{model}")
        for name in names:
            if own := self._own.get(name):
                return Stated(prices=own, source="settings")
        if connection.tier == "free":
            return Free()
        if synced := self._synced.get(names[1]):
            return synced
        listed = None if connection.provider.prices is None else self.row(connection.provider.prices, model)
        return None if listed is None else self._of(listed, model, context or {})

    def row(self, prices: str, model: str) -> "tuple[PricedProvider, ModelInfo] | None":
        """What genai-prices has on `model` as its provider `prices` sells it; None when it has nothing."""
        key = (prices, model)
        if key not in self._listed:
            if len(self._listed) >= _MAX_REMEMBERED:
                self._listed.clear()
            self._listed[key] = _find(prices, model)
        return self._listed[key]

    def names(self, prices: str, *, prefix: str = "") -> tuple[str, ...]:
        """Names, each behind `prefix`, of the models genai-prices lists for its provider `prices` and calls current.

        A row whose own name is not one its provider takes is left out.
        """
        provider = _provider(prices)
        names: list[str] = []
        for info in () if provider is None else provider.models:
            name = f"{prefix}{info.id}"
            if provider is not None and not info.deprecated and info.is_match(name):
                names.append(name)
                # A row is its own price, whatever earlier row its name would also match.
                self._listed.setdefault((prices, name), (provider, info))
        return tuple(names)

    def _of(self, listed: "tuple[PricedProvider, ModelInfo]", model: str, context: PriceContext) -> Price | None:
        provider, info = listed
        source = f"genai-prices {_version()}"
        lists = [info.prices] if not isinstance(info.prices, list) else [entry.prices for entry in info.prices]
        if model.lower().endswith(":free") and info.id.lower().endswith(":free"):
            # The name itself says it is free, and the data lists no price or 0 for it.
            return Free(source=source) if not any(_charges(price) for price in lists) else None
        if any(not _is_complete(price) for price in lists):
            return None
        return Listed(model=info, provider=provider, source=source, now=self._now, context=context)


def _charges(price: "ModelPrice") -> bool:
    return any(rate > 0 for _, value in _parts(price) for rate in [_base(value)])


def _is_complete(price: "ModelPrice") -> bool:
    """Whether our token counts are enough to know what a chat costs."""
    if price.input_mtok is None or price.output_mtok is None or price.output_citation_mtok is not None:
        return False
    return _base(price.input_mtok) > 0 or _base(price.output_mtok) > 0


def _provider(prices: str) -> "PricedProvider | None":
    # Importing the price data takes 0.25 s, which a stdio server's start does not have.
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 (lazy, see above)

    return next((provider for provider in get_snapshot().providers if provider.id == prices), None)


def _find(prices: str, model: str) -> "tuple[PricedProvider, ModelInfo] | None":
    provider = _provider(prices)
    # Without the other providers: a row of one never prices a model of another.
    info = None if provider is None else provider.find_model(model)
    return None if provider is None or info is None else (provider, info)


def _version() -> str:
    from genai_prices import __version__  # noqa: PLC0415 (lazy, see `_provider`)

    return __version__

"""What a price is: kinds of price lists, and the amounts they come to.

Everything is exact: prices are integers of nano-dollars per million tokens or `Decimal`, and an amount is rounded up
once. Which list holds for a model says `price_book`.

Limits, stated: charges that no token count shows (searches a model makes by itself, built-in tools) are not in these
amounts, and a model whose price has such a part per token is unknown. A caller's `service_tier` changes prices; pass
it as `context`.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final

from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.money import NANO_PER_USD, nano_from_usd
from omniroute_agent.kernel.value import value
from omniroute_agent.providers.lines import Line, Tariff, line, line_of, tariff

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice
    from genai_prices.types import Provider as PricedProvider

MILLION: Final = 1_000_000

PriceContext = Mapping[str, str]
"""What of a request changes its price, e.g. `{"service_tier": "priority"}`."""

_BOUND_MOMENTS: Final = tuple(timedelta(minutes=m) for m in (0, 30, 60))
"""A call may be billed after a price changed or a dear hour began; a bound holds for the next hour."""

Lines = dict[tuple[int, int], tuple["ModelPrice", Line | None, Line | None]]
"""By a price list's identity and how many of its tiers a prompt has reached: the list itself, so that its identity
stays its own, its line for plain tokens, and the one for the worst.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrice:
    """Prices somebody stated, in nano-dollars per million tokens. A cache price that is absent is the input price."""

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    input_bound: int | None = None
    """The dearest an input token may be billed at, where that is none of these (cache writes kept for long)."""

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


_NOTHING: Final = Tariff(0, 0, 0, 0, 0, 0)


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

    def tariff(self, input_tokens: int, bound: int, at: datetime) -> Tariff:  # noqa: ARG002 (the protocol's shape)
        return _NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A price list of four numbers."""

    prices: OwnPrice
    source: str
    _tariff: Tariff = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        own = self.prices
        dearest = max(own.input, own.cache_read or 0, own.cache_write or 0, own.input_bound or 0)
        object.__setattr__(self, "_tariff", Tariff(0, own.input, own.output, 0, dearest, own.output))

    @property
    def input_per_million(self) -> int:
        return self.prices.input

    @property
    def output_per_million(self) -> int:
        return self.prices.output

    def cost(self, usage: Usage, at: datetime) -> int:  # noqa: ARG002 (stated prices have no dates)
        if not usage.cache_read_tokens and not usage.cache_write_tokens:
            output = max(usage.output_tokens, usage.reasoning_tokens)
            return -(-(usage.input_tokens * self.prices.input + output * self.prices.output) // MILLION)
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
        return self._tariff.worst(input_tokens, output_tokens)

    def tariff(self, input_tokens: int, bound: int, at: datetime) -> Tariff:  # noqa: ARG002 (it is the same for all)
        return self._tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A model's price list in genai-prices, with its dates, hours, tiers and cache prices."""

    model: "ModelInfo"
    provider: "PricedProvider"
    source: str
    now: Callable[[], datetime]
    context: PriceContext = field(default_factory=dict)
    lines: "Lines" = field(
        default_factory=dict[tuple[int, int], tuple["ModelPrice", Line | None, Line | None]], compare=False
    )
    """What was worked out of its price lists already."""
    minutes: "dict[int, _Minute]" = field(default_factory=dict[int, "_Minute"], compare=False)
    """The present minute of UTC epoch; 0 where the prices never change."""

    @property
    def input_per_million(self) -> int:
        return nano_from_usd(base_rate(self._at(self.now()).input_mtok))

    @property
    def output_per_million(self) -> int:
        return nano_from_usd(base_rate(self._at(self.now()).output_mtok))

    def cost(self, usage: Usage, at: datetime) -> int:
        plain = not (usage.cache_read_tokens or usage.cache_write_tokens or usage.reasoning_tokens)
        if plain and (known := self._lines(at, usage.input_tokens)[0]) is not None:
            return known.at(usage.input_tokens, usage.output_tokens)
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
        # Most price lists do not change with time at all.
        moments = _BOUND_MOMENTS if isinstance(self.model.prices, list) or self.context else _BOUND_MOMENTS[:1]
        return max(self._worst(input_tokens, output_tokens, at + moment) for moment in moments)

    def tariff(self, input_tokens: int, bound: int, at: datetime) -> Tariff | None:
        if self.context:
            return None
        # Dated prices change on whole minutes.
        minute = int(at.timestamp()) // 60 if isinstance(self.model.prices, list) else 0
        held = self.minutes.get(minute)
        if held is None:
            held = _Minute(self._jumps(at), {})
            # Plans are made in more than one thread: what is found here is always whole.
            self.minutes.clear()
            self.minutes[minute] = held
        place = (_reached(held.jumps, input_tokens), _reached(held.jumps, bound)) if held.jumps else (0, 0)
        if place not in held.tariffs:
            held.tariffs[place] = self._tariff(input_tokens, bound, at)
        return held.tariffs[place]

    def _tariff(self, input_tokens: int, bound: int, at: datetime) -> Tariff | None:
        plain = self._lines(at, input_tokens)[0]
        worst, *later = [self._lines(at + moment, bound)[1] for moment in _BOUND_MOMENTS]
        if plain is None or worst is None or any(line != worst for line in later):
            return None
        return tariff(plain, worst)

    def _jumps(self, at: datetime) -> tuple[int, ...]:
        """Prompt lengths above which the price jumps, now or within the hour."""
        return tuple({start for moment in _BOUND_MOMENTS for start in _starts(self._at(at + moment))})

    def _worst(self, input_tokens: int, output_tokens: int, at: datetime) -> int:
        if (known := self._lines(at, input_tokens)[1]) is not None:
            return known.at(input_tokens, output_tokens)
        return _nano_up(_bound(self._at(at), input_tokens, output_tokens))

    def _lines(self, at: datetime, input_tokens: int) -> "tuple[Line | None, Line | None]":
        """What plain tokens of so long a prompt cost, and what any may at worst; None: not by a straight line."""
        if self.context:
            return None, None
        price = self._at(at)
        tiers = _reached(tuple(_starts(price)), input_tokens)
        known = self.lines.get((id(price), tiers))
        if known is None or known[0] is not price:
            known = price, _plain(price, input_tokens), _worst_line(price, input_tokens)
            self.lines[id(price), tiers] = known
        return known[1:]

    def _at(self, moment: datetime) -> "ModelPrice":
        return self.model.get_prices(moment, self.context or None)


@value
class _Minute:
    """What was worked out of a price list for one minute."""

    jumps: tuple[int, ...]
    """Prompt lengths above which the price jumps."""
    tariffs: dict[tuple[int, int], Tariff | None]
    """By how many of them a prompt has passed, and the bound of its length."""


@value
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
        max(usage.input_tokens - cached, 0),
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        max(usage.output_tokens, usage.reasoning_tokens),
        usage.reasoning_tokens,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """USD per million tokens, and per request."""

    input: Decimal
    output: Decimal
    fee: Decimal


def _starts(price: "ModelPrice") -> Iterator[int]:
    """Prompt lengths above which a price jumps."""
    return (tier.start for rate in vars(price).values() for tier in getattr(rate, "tiers", ()))


def _reached(jumps: tuple[int, ...], tokens: int) -> int:
    return sum(1 for jump in jumps if tokens > jump)


def _plain(price: "ModelPrice", input_tokens: int) -> Line | None:
    """The line of plain tokens as prompts of this length pay them."""
    from genai_prices import Usage as BilledUsage  # noqa: PLC0415 (lazy, see `Listed.cost`)

    flat = copy(price)
    for key, rate in parts_of(price):
        tiers = [tier for tier in getattr(rate, "tiers", ()) if input_tokens > tier.start]
        setattr(flat, key, max(tiers, key=lambda tier: tier.start).price if tiers else base_rate(rate))

    def charge(read: int, written: int) -> Decimal:
        billed = BilledUsage(
            input_tokens=read,
            output_tokens=written,
            cache_read_tokens=0,
            cache_write_tokens=0,
            output_reasoning_tokens=0,
        )
        return flat.calc_price(billed)["total_price"]

    return line_of(charge)


def _worst_line(price: "ModelPrice", input_tokens: int) -> Line | None:
    rates = _dearest(price, input_tokens)
    return line(rates.fee, rates.input, rates.output)


def _bound(price: "ModelPrice", input_tokens: int, output_tokens: int) -> Decimal:
    """USD at the highest rates."""
    rates = _dearest(price, input_tokens)
    return rates.fee + (rates.input * input_tokens + rates.output * output_tokens) / MILLION


def _dearest(price: "ModelPrice", input_tokens: int) -> _Rates:
    """The highest rate each token could be billed at when a prompt has at most `input_tokens`.

    Cache writes kept for an hour are among the rates, although usage reports do not tell them from short ones.
    """
    top = {"input": Decimal(0), "output": Decimal(0)}
    fee = Decimal(0)
    for key, rate in parts_of(price):
        if key == "requests_kcount":
            fee = max(_reachable(rate, input_tokens), default=Decimal(0)) / 1000
        elif key.endswith("_mtok") and "audio" not in key and "video" not in key:
            direction = "output" if key.startswith("output") else "input"
            top[direction] = max(top[direction], *_reachable(rate, input_tokens))
    return _Rates(input=top["input"], output=top["output"], fee=fee)


def _reachable(value: object, input_tokens: int) -> list[Decimal]:
    """A price jumps at thresholds of the prompt's length, for all tokens: every tier up to the bound may apply."""
    if isinstance(value, Decimal):
        return [value]
    tiers = [tier.price for tier in getattr(value, "tiers", ()) if input_tokens > tier.start]
    return [base_rate(value), *tiers]


def base_rate(value: object) -> Decimal:
    base = getattr(value, "base", value)
    if not isinstance(base, Decimal):
        raise TypeError("a listed price without input or output is unknown and never becomes a Listed")
    return base


def parts_of(price: "ModelPrice") -> Iterator[tuple[str, object]]:
    return ((key, value) for key, value in vars(price).items() if value is not None and not key.startswith("_"))


def _nano_up(usd: Decimal) -> int:
    return int((usd * NANO_PER_USD).to_integral_value(rounding=ROUND_CEILING))

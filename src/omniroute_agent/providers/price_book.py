"""Which price holds for a model on a connection: the owner's own, then a synced one, then the bundled data, then what
the provider's own list says.

An unknown price is None and never 0; free is said only of what runs on this machine, of connections whose owner calls
them free, and of models the price data itself names free (`:free`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from omniroute_agent.providers.known import Bundled, Known, Look, Said
from omniroute_agent.providers.model import Connection, Price, Provider
from omniroute_agent.providers.prices import Free, Lines, Listed, OwnPrice, PriceContext, Stated, base_rate, parts_of
from omniroute_agent.store.prices import PriceRow

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice
    from genai_prices.types import Provider as PricedProvider

FRESH_DAYS: Final = 90
"""For so long synced prices go before the bundled data, which may be newer after that."""

_MAX_REMEMBERED: Final = 4096
"""Looked-up models; names come from callers, so their number has an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """Stated prices by name, made once for each `Known`."""

    of: Known
    own: Mapping[str, Stated]
    """The owner's: by `connection/model` or `provider/model`."""
    synced: Mapping[str, Stated]
    """By `provider/model`."""
    fresh_until: float
    """UTC epoch seconds until which the synced ones go before the bundled data."""
    told: Mapping[str, Stated]
    """What a provider's own list says, by `connection/model`."""


class PriceBook:
    """Finds the price of a model on a connection.

    `own` maps `connection/model` or `provider/model` to prices the owner stated in the settings; what they set by hand
    goes before that, and nothing overrides either.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        own: Mapping[str, OwnPrice] | None = None,
        known: Look | None = None,
    ) -> None:
        self.now = now
        self._known = known or Bundled()
        self._settings = {name: Stated(prices=price, source="settings") for name, price in (own or {}).items()}
        self._stated = _stated(self._known.now, self._settings)
        self._listed: dict[tuple[str, str], tuple[PricedProvider, ModelInfo] | None] = {}
        self._lines: Lines = {}

    def price(self, connection: Connection, model: str, *, context: PriceContext | None = None) -> Price | None:
        """None: unknown. Synced prices go before the bundled ones for `FRESH_DAYS`, afterwards behind them; what a
        provider's own list says fills in where nothing else knows.
        """
        stated = self._current()
        own, shared = f"{connection.id}/{model}", f"{connection.provider.id}/{model}"
        if mine := stated.own.get(own) or stated.own.get(shared):
            return mine
        if connection.tier == "free":
            return Free()
        synced = stated.synced.get(shared)
        if synced is not None and self.fresh:
            return synced
        listed = None if connection.provider.prices is None else self.row(connection.provider.prices, model)
        bundled = None if listed is None else self._of(listed, model, context or {})
        return bundled or synced or stated.told.get(own)

    @property
    def fresh(self) -> bool:
        """Whether synced prices go before the bundled ones. Besides `Known` nothing else changes which list holds."""
        return self.now().timestamp() < self._current().fresh_until

    def bundled(self, provider: Provider | None, model: str) -> Price | None:
        """What the bundled data alone says; for reports, so nothing is remembered."""
        listed = None if provider is None or provider.prices is None else _find(provider.prices, model)
        price = None if listed is None else self._of(listed, model, {})
        return replace(price, lines={}) if isinstance(price, Listed) else price

    def owned(self, name: str) -> Stated | None:
        """What the owner stated under this very name."""
        return self._current().own.get(name)

    def _current(self) -> _Stated:
        known = self._known.now
        if known is not self._stated.of:
            self._stated = _stated(known, self._settings)
        return self._stated

    def row(self, prices: str, model: str) -> "tuple[PricedProvider, ModelInfo] | None":
        """What genai-prices has on `model` as its provider `prices` sells it; None when it has nothing."""
        key = (prices, model)
        if key not in self._listed:
            if len(self._listed) >= _MAX_REMEMBERED:
                self._listed.clear()
                self._lines.clear()
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
        source = bundled_source()
        lists = [info.prices] if not isinstance(info.prices, list) else [entry.prices for entry in info.prices]
        if model.lower().endswith(":free") and info.id.lower().endswith(":free"):
            # The name itself says it is free, and the data lists no price or 0 for it.
            return Free(source=source) if not any(_charges(price) for price in lists) else None
        if any(not _is_complete(price) for price in lists):
            return None
        return Listed(model=info, provider=provider, source=source, now=self.now, context=context, lines=self._lines)


def _stated(known: Known, settings: Mapping[str, Stated]) -> _Stated:
    tables = known.prices
    day = "" if tables.at is None else datetime.fromtimestamp(tables.at, UTC).date().isoformat()
    own: dict[str, Stated] = {}
    for (connection, model), added in known.own.items():
        if (price := _of_said(added.said)) is not None:
            own[f"{connection}/{model}"] = Stated(prices=price, source=added.source)
    own |= settings
    own |= {row.name: Stated(prices=of_row(row), source="set by hand") for row in tables.own}
    return _Stated(
        of=known,
        own=own,
        synced={row.name: Stated(prices=of_row(row), source=f"{tables.source}, {day}") for row in tables.synced},
        fresh_until=(tables.at or 0.0) + FRESH_DAYS * 86_400.0,
        told={
            f"{connection}/{model}": Stated(prices=price, source=f"{connection}'s own list")
            for connection, listing in known.lists.items()
            for model, said in listing.models.items()
            if (price := _of_said(said)) is not None
        },
    )


def of_row(row: PriceRow) -> OwnPrice:
    return OwnPrice(
        input=row.input,
        output=row.output,
        cache_read=row.cache_read,
        cache_write=row.cache_write,
        input_bound=row.input_bound,
    )


def _of_said(said: Said) -> OwnPrice | None:
    if said.input is None or said.output is None:
        return None
    return OwnPrice(input=said.input, output=said.output, cache_read=said.cache_read, cache_write=said.cache_write)


def _charges(price: "ModelPrice") -> bool:
    return any(rate > 0 for _, value in parts_of(price) for rate in [base_rate(value)])


def _is_complete(price: "ModelPrice") -> bool:
    """Whether our token counts are enough to know what a chat costs."""
    if price.input_mtok is None or price.output_mtok is None or price.output_citation_mtok is not None:
        return False
    return base_rate(price.input_mtok) > 0 or base_rate(price.output_mtok) > 0


def _provider(prices: str) -> "PricedProvider | None":
    # Importing the price data takes 0.25 s, which a stdio server's start does not have.
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 (lazy, see above)

    return next((provider for provider in get_snapshot().providers if provider.id == prices), None)


def _find(prices: str, model: str) -> "tuple[PricedProvider, ModelInfo] | None":
    provider = _provider(prices)
    # Without the other providers: a row of one never prices a model of another.
    info = None if provider is None else provider.find_model(model)
    return None if provider is None or info is None else (provider, info)


def bundled_source() -> str:
    """The price data that comes with the program, with its version."""
    return f"genai-prices {_version()}"


def _version() -> str:
    from genai_prices import __version__  # noqa: PLC0415 (lazy, see `_provider`)

    return __version__

"""Which models exist here, what is true of them, and what a name means."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from omniroute_agent.kernel.alias import AliasLoop
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.providers.aliases import SHORT_NAMES
from omniroute_agent.providers.capabilities import family_of
from omniroute_agent.providers.discovery import Connections
from omniroute_agent.providers.facts import FactBook
from omniroute_agent.providers.families import is_snapshot_of
from omniroute_agent.providers.known import Bundled, Look
from omniroute_agent.providers.model import Connection, ModelFacts, Provider
from omniroute_agent.providers.price_book import PriceBook
from omniroute_agent.providers.succession import Retirement, Succession

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo
    from genai_prices.types import Provider as PricedProvider

_ORIGINS: Final = {"settings": "settings", "stored": "added by hand"}

Capability = Literal["vision", "tools", "json_schema", "reasoning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    connection: str
    provider: str
    model: str
    facts: ModelFacts
    available: bool
    why_not: str | None = None
    retirement: Retirement | None = None
    successor: str | None = None
    """Who would follow on it, when it goes."""
    origin: str
    """How it is known: `price data`, `provider's list`, `settings`, `added by hand`, `default`, `running here`."""
    listed_at: float | None = None
    """When the provider's list was read, UTC epoch seconds."""

    @property
    def target(self) -> str:
        return f"{self.connection}/{self.model}"

    @property
    def free(self) -> bool:
        price = self.facts.price
        return price is not None and price.input_per_million == 0 and price.output_per_million == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    name: str
    note: str | None = None
    """How it was come to, when an alias was followed."""


class Catalogue:
    def __init__(
        self,
        connections: Connections,
        facts: FactBook,
        prices: PriceBook,
        known: Look | None = None,
        *,
        successors: bool = True,
    ) -> None:
        """`known` is the same for all three; without `successors` nothing follows on a retired model by itself."""
        self._connections = connections
        self._facts = facts
        self._prices = prices
        self._known = known or Bundled()
        self.succession = Succession(self._known, prices, self._known_on, now=prices.now, follow=successors)

    async def meaning(self, name: str) -> Meaning:
        """What a name stands for by the owner's aliases.

        Raises:
            InvalidRequest: the aliases lead in a circle.
        """
        known = await self._known.look()
        try:
            way = known.aliases.follow(name)
        except AliasLoop as error:
            raise InvalidRequest(
                f"`{name[:200]}` stands for nothing: {error}.", hint="`omniroute-agent models alias ls` shows them."
            ) from None
        if way == (name,):
            return Meaning(name=name)
        return Meaning(name=way[-1], note=f"By alias: {' → '.join(f'`{each}`' for each in way)}.")

    def facts(self, connection: Connection, model: str) -> ModelFacts:
        return self._facts.facts(connection, model)

    async def list(
        self,
        *,
        provider: str | None = None,
        capability: Capability | None = None,
        free: bool | None = None,
        text: str | None = None,
    ) -> tuple[Entry, ...]:
        """Known models in the order of the connections, each connection's default first.

        `provider` is the id of a provider or a connection, `text` a part of `connection/model`. A model whose
        capability or price is unknown does not match a filter for it.
        """
        await self._known.look()
        entries = (
            self._entry(connection, model)
            for connection in await self._connections.all()
            if provider is None
            or provider in (connection.id, connection.provider.id)
            or SHORT_NAMES.get(provider) == connection.provider.id
            for model in self._known_on(connection)
            if text is None or text.lower() in f"{connection.id}/{model}".lower()
        )
        return tuple(
            entry
            for entry in entries
            if (capability is None or getattr(entry.facts, capability) is True)
            and (free is None or (entry.facts.price is not None and entry.free is free))
        )

    async def resolve(self, name: str) -> tuple[tuple[Connection, str], ...]:
        """The targets a name means, best reading first in this order: `connection/model`, `provider/model`, its short
        form, a model.

        A bare model means every connection known to serve it, else those that served it once. Empty: nothing of that
        name is known. Aliases are not followed here (`meaning`).
        """
        await self._known.look()
        connections = await self._connections.all()
        first, _, rest = name.partition("/")
        if rest:
            for matching in (
                [connection for connection in connections if connection.id == first],
                [connection for connection in connections if connection.provider.id == first],
                [connection for connection in connections if connection.provider.id == SHORT_NAMES.get(first)],
            ):
                if named := [(c, model) for c in matching if (model := self._own_name(c, rest)) is not None]:
                    return tuple(named)
        return _those(connections, lambda c: self._served(c, name)) or _those(
            connections, lambda c: self._served_once(c, name)
        )

    async def names(self) -> Sequence[str]:
        """Every known name, aliases among them, bare and with its connection, to find the nearest one to a mistyped
        name.
        """
        known = await self._known.look()
        names: dict[str, None] = dict.fromkeys(alias for alias in known.aliases.table if not {"*", "?"} & set(alias))
        for connection in await self._connections.all():
            for model in self._known_on(connection):
                names[model] = None
                names[f"{connection.id}/{model}"] = None
        return tuple(names)

    def _entry(self, connection: Connection, model: str) -> Entry:
        retirement = self.succession.retirement(connection, model)
        listing = self._known.now.lists.get(connection.id)
        listed = listing is not None and connection.models is None and model in listing.models
        return Entry(
            connection=connection.id,
            provider=connection.provider.id,
            model=model,
            facts=self.facts(connection, model),
            available=connection.unavailable is None,
            why_not=connection.unavailable,
            retirement=retirement,
            successor=None if retirement is None else self.succession.successor(connection, model).model,
            origin=self._origin(connection, model, listed=listed),
            listed_at=listing.read_at if listing is not None and listed else None,
        )

    def _origin(self, connection: Connection, model: str, *, listed: bool) -> str:
        own = self._known.now.own.get((connection.id, model))
        if own is not None:
            return own.source
        if listed:
            return "provider's list"
        if connection.models is not None:
            return _ORIGINS.get(connection.source, "running here")
        return "default" if model == connection.default_model else "price data"

    def _known_on(self, connection: Connection) -> tuple[str, ...]:
        """Models known to be on a connection: the owner's, then its fixed list, else its provider's own one, else what
        the price data sells there for chatting.
        """
        listed: Iterable[str]
        if connection.models is not None:
            listed = connection.models
        elif (listing := self._known.now.lists.get(connection.id)) is not None:
            listed = sorted(listing.models)
        else:
            listed = sorted(self._for_sale(connection.provider))
        default = (connection.default_model,) if connection.default_model else ()
        return tuple(dict.fromkeys((*default, *self._known.now.own_models(connection.id), *listed)))

    def _for_sale(self, provider: Provider) -> Iterator[str]:
        if provider.prices:
            for name in self._prices.names(provider.prices, prefix=provider.model_prefix):
                if _sells(provider, name):
                    yield name

    def _served(self, connection: Connection, model: str) -> str | None:
        """The name under which a connection is known to serve this model."""
        if connection.models is not None:
            return self._own_name(connection, model)
        if model == connection.default_model or (connection.id, model) in self._known.now.own:
            return model
        provider = connection.provider
        own = model if model.startswith(provider.model_prefix) else f"{provider.model_prefix}{model}"
        listing = self._known.now.lists.get(connection.id)
        if listing is not None:
            if own in listing.models:
                return own
            # Lists name the dated form, and the plain one is served as well.
            return own if any(is_snapshot_of(listed, own) for listed in listing.models) else None
        row = self._row(provider, own)
        return None if row is None or row[1].deprecated else own

    def _served_once(self, connection: Connection, model: str) -> str | None:
        """The name under which a connection served a model that is given up; what follows on it is worth knowing."""
        if connection.models is not None:
            return None
        provider = connection.provider
        own = model if model.startswith(provider.model_prefix) else f"{provider.model_prefix}{model}"
        listing = self._known.now.lists.get(connection.id)
        if listing is not None and own in listing.gone:
            return own
        row = self._row(provider, own)
        return own if row is not None and row[1].deprecated else None

    def _row(self, provider: Provider, own: str) -> "tuple[PricedProvider, ModelInfo] | None":
        if not provider.prices or not _sells(provider, own):
            return None
        return self._prices.row(provider.prices, own)

    def _own_name(self, connection: Connection, model: str) -> str | None:
        """The model's name on this connection; None when its own list does not have it."""
        if connection.models is None or model in connection.models or (connection.id, model) in self._known.now.own:
            return model
        # Ollama completes a name without a tag the same way.
        latest = f"{model}:latest"
        return latest if latest in connection.models else None


def _those(
    connections: Iterable[Connection], own_name: Callable[[Connection], str | None]
) -> tuple[tuple[Connection, str], ...]:
    found = ((connection, own_name(connection)) for connection in connections)
    return tuple((connection, model) for connection, model in found if model is not None)


def _sells(provider: Provider, model: str) -> bool:
    if provider.not_served and re.search(provider.not_served, model):
        return False
    family = family_of(model)
    return family is None or family.chat

"""Which models exist here, what is true of them, and what a name means."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from omniroute_agent.providers.capabilities import family_of
from omniroute_agent.providers.discovery import Connections
from omniroute_agent.providers.facts import FactBook
from omniroute_agent.providers.model import Connection, ModelFacts, Provider
from omniroute_agent.providers.prices import PriceBook

Capability = Literal["vision", "tools", "json_schema", "reasoning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    connection: str
    provider: str
    model: str
    facts: ModelFacts
    available: bool
    why_not: str | None = None

    @property
    def target(self) -> str:
        return f"{self.connection}/{self.model}"

    @property
    def free(self) -> bool:
        price = self.facts.price
        return price is not None and price.input_per_million == 0 and price.output_per_million == 0


class Catalogue:
    def __init__(self, connections: Connections, facts: FactBook, prices: PriceBook) -> None:
        self._connections = connections
        self._facts = facts
        self._prices = prices

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
        entries = (
            self._entry(connection, model)
            for connection in await self._connections.all()
            if provider is None or provider in (connection.id, connection.provider.id)
            for model in self._known(connection)
            if text is None or text.lower() in f"{connection.id}/{model}".lower()
        )
        return tuple(
            entry
            for entry in entries
            if (capability is None or getattr(entry.facts, capability) is True)
            and (free is None or (entry.facts.price is not None and entry.free is free))
        )

    async def resolve(self, name: str) -> tuple[tuple[Connection, str], ...]:
        """The targets a name means, best reading first in this order: `connection/model`, `provider/model`, a model.

        A bare model means every connection known to serve it. Empty: nothing of that name is known.
        """
        connections = await self._connections.all()
        first, _, rest = name.partition("/")
        if rest:
            for matching in (
                [connection for connection in connections if connection.id == first],
                [connection for connection in connections if connection.provider.id == first],
            ):
                if named := [(c, model) for c in matching if (model := _own_name(c, rest)) is not None]:
                    return tuple(named)
        return tuple((c, model) for c in connections if (model := self._served(c, name)) is not None)

    async def names(self) -> Sequence[str]:
        """Every known name, bare and with its connection, to find the nearest one to a mistyped name."""
        names: dict[str, None] = {}
        for connection in await self._connections.all():
            for model in self._known(connection):
                names[model] = None
                names[f"{connection.id}/{model}"] = None
        return tuple(names)

    def _entry(self, connection: Connection, model: str) -> Entry:
        return Entry(
            connection=connection.id,
            provider=connection.provider.id,
            model=model,
            facts=self.facts(connection, model),
            available=connection.unavailable is None,
            why_not=connection.unavailable,
        )

    def _known(self, connection: Connection) -> tuple[str, ...]:
        """Models known to be on a connection: its own list, else what the price data sells there for chatting."""
        own = connection.models
        listed = own if own is not None else sorted(self._for_sale(connection.provider))
        default = (connection.default_model,) if connection.default_model else ()
        return tuple(dict.fromkeys((*default, *listed)))

    def _for_sale(self, provider: Provider) -> Iterator[str]:
        if provider.prices:
            for name in self._prices.names(provider.prices, prefix=provider.model_prefix):
                if _sells(provider, name):
                    yield name

    def _served(self, connection: Connection, model: str) -> str | None:
        """The name under which a connection is known to serve this model."""
        if connection.models is not None:
            return _own_name(connection, model)
        if model == connection.default_model:
            return model
        provider = connection.provider
        if not provider.prices or not _sells(provider, model):
            return None
        own = model if model.startswith(provider.model_prefix) else f"{provider.model_prefix}{model}"
        row = self._prices.row(provider.prices, own)
        return None if row is None or row[1].deprecated else own


def _sells(provider: Provider, model: str) -> bool:
    if provider.not_served and re.search(provider.not_served, model):
        return False
    family = family_of(model)
    return family is None or family.chat


def _own_name(connection: Connection, model: str) -> str | None:
    """The model's name on this connection; None when its own list does not have it."""
    if connection.models is None or model in connection.models:
        return model
    # Ollama completes a name without a tag the same way.
    latest = f"{model}:latest"
    return latest if latest in connection.models else None

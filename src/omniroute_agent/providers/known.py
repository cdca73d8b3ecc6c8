"""What this installation knows of models beyond the bundled data, as values that every plan can look at.

Aliases, models the owner added, the providers' own lists and prices lie in the database; the settings add theirs. What
was read holds for a second; then one number tells whether any process has changed something.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict

from omniroute_agent.kernel.alias import Aliases
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.store.database import Database
from omniroute_agent.store.models import ListRow, ModelRow, ModelTables, changes, read_models
from omniroute_agent.store.prices import PriceTables, read_prices

LOOK_SECONDS: Final = 1.0


class Said(BaseModel):
    """What somebody said of a model: its owner, or its provider's list. None: nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    context_tokens: int | None = None
    max_output_tokens: int | None = None
    vision: bool | None = None
    tools: bool | None = None
    json_schema: bool | None = None
    reasoning: bool | None = None
    input: int | None = None
    """Nano-dollars per million tokens, as `output` and the cache prices."""
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    retires: date | None = None
    """When its provider switches it off, or did."""


SILENCE: Final = Said()

FACTS: Final = ("context_tokens", "max_output_tokens", "vision", "tools", "json_schema", "reasoning")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModel:
    """A model the owner added to a connection."""

    connection: str
    model: str
    said: Said
    source: str
    """`settings` or `added by hand`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A connection's own list of models, as it was read last."""

    models: Mapping[str, Said]
    gone: Mapping[str, float]
    """Models that were on it → when they were missed first, UTC epoch seconds."""
    state: ListRow

    @property
    def read_at(self) -> float:
        return self.state.read_at or 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One look. Every change gives a new value, so that what was derived from it can be told by identity."""

    aliases: Aliases = field(default_factory=Aliases)
    stored_aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    own: Mapping[tuple[str, str], OwnModel] = field(default_factory=dict[tuple[str, str], OwnModel])
    """By connection and model."""
    lists: Mapping[str, Listing] = field(default_factory=dict[str, Listing])
    """Lists that were read whole at least once, by connection."""
    troubles: Mapping[str, str] = field(default_factory=dict[str, str])
    """Connection → why its list could not be read the last time."""
    prices: PriceTables = field(default_factory=lambda: PriceTables(own=(), synced=(), source=None, at=None))

    def own_models(self, connection_id: str) -> tuple[str, ...]:
        return tuple(model for where, model in self.own if where == connection_id)

    def said(self, connection_id: str, model: str) -> tuple[Said, Said]:
        """What the owner said of a model, and what its provider's list did."""
        own = self.own.get((connection_id, model))
        listing = self.lists.get(connection_id)
        listed = None if listing is None else listing.models.get(model)
        return (own.said if own else SILENCE), listed or SILENCE


class Look(Protocol):
    """Where the present `Known` comes from."""

    @property
    def now(self) -> Known:
        """The last look, without another one."""
        ...

    async def look(self, *, fresh: bool = False) -> Known:
        """What is known; at most a second old unless `fresh`. The same value until something changed."""
        ...


@dataclass(frozen=True, slots=True)
class Bundled:
    """Nothing beyond the bundled data."""

    now: Known = field(default_factory=Known)

    async def look(self, *, fresh: bool = False) -> Known:  # noqa: ARG002 (the shape of the port)
        return self.now


class KnownModels:
    """`aliases` and `own` are the settings'; what is stored overrides them."""

    def __init__(
        self,
        database: Database,
        ports: Ports,
        *,
        aliases: Mapping[str, str] | None = None,
        own: tuple[OwnModel, ...] = (),
    ) -> None:
        self._database = database
        self._ports = ports
        self._aliases = dict(aliases or {})
        self._own = {(model.connection, model.model): model for model in own}
        self._count = -1
        self._look_at = float("-inf")
        self._looking = asyncio.Lock()
        self._known = Known(aliases=Aliases(self._aliases), own=self._own)

    @property
    def now(self) -> Known:
        """The last look, without another one."""
        return self._known

    @property
    def configured_aliases(self) -> Mapping[str, str]:
        return self._aliases

    async def look(self, *, fresh: bool = False) -> Known:
        """What is known; at most a second old unless `fresh`. The same value until something changed."""
        if fresh or self._ports.monotonic() >= self._look_at:
            async with self._looking:
                if fresh or self._ports.monotonic() >= self._look_at:
                    await self._read()
        return self._known

    async def _read(self) -> None:
        # When the database cannot be read, what is known holds: the ledger says it to every caller.
        with suppress(StoreUnavailable):
            count = await self._database.read(changes)
            if count != self._count:
                self._count, models, prices = await self._database.read(
                    lambda connection: (changes(connection), read_models(connection), read_prices(connection))
                )
                self._known = await asyncio.to_thread(self._made, models, prices)
        self._look_at = self._ports.monotonic() + LOOK_SECONDS

    def _made(self, models: ModelTables, prices: PriceTables) -> Known:
        stored = {(row.connection, row.model): _own(row) for row in models.own}
        return Known(
            aliases=Aliases({**self._aliases, **models.aliases}),
            stored_aliases=models.aliases,
            own={**self._own, **stored},
            lists=_listings(models),
            troubles={row.connection: row.trouble for row in models.lists if row.trouble},
            prices=prices,
        )


def _own(row: ModelRow) -> OwnModel:
    said = Said.model_validate_json(row.document)
    return OwnModel(connection=row.connection, model=row.model, said=said, source="added by hand")


def _listings(tables: ModelTables) -> dict[str, Listing]:
    present: dict[str, dict[str, Said]] = {}
    gone: dict[str, dict[str, float]] = {}
    for row in tables.listed:
        if row.gone_at is None:
            present.setdefault(row.connection, {})[row.model] = Said.model_validate_json(row.document)
        else:
            gone.setdefault(row.connection, {})[row.model] = row.gone_at
    return {
        state.connection: Listing(
            models=present.get(state.connection, {}), gone=gone.get(state.connection, {}), state=state
        )
        for state in tables.lists
        if state.read_at is not None
    }

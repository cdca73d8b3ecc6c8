"""Combos: named fallback chains. Definitions come from the owner's file, rows in the store switch them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from omniroute_agent.kernel.errors import InvalidRequest, not_found
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.providers.discovery import Connections
from omniroute_agent.providers.model import Connection
from omniroute_agent.store.combos import ComboRow, ComboRows

BUILT_IN: Final = "default"
"""The combo that is always there: all found connections by tier."""

_TIER_ORDER: Final[dict[Tier, int]] = {"subscription": 0, "key": 1, "cheap": 2, "free": 3}


class Combo(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    targets: tuple[str, ...]
    """`connection/model`, `provider/model` or a bare model, in the owner's order."""
    strategy: str = "priority"
    options: Mapping[str, JsonValue] = Field(default_factory=dict)
    """What the owner set for the strategy; `strategies/knobs.py` knows the names."""
    tier: Tier | None = None
    enabled: bool = True
    is_default: bool = False
    source: Literal["built-in", "settings"] = "settings"
    overridden: bool = False
    """A stored row changed `enabled` or `is_default`."""


def default_targets(connections: Iterable[Connection]) -> tuple[str, ...]:
    """The built-in combo: usable connections with a model to start with, by tier. The plan adds the local model."""
    able = [c for c in connections if c.default_model and c.unavailable is None and not c.last_resort]
    return tuple(f"{c.id}/{c.default_model}" for c in sorted(able, key=lambda c: _TIER_ORDER[c.tier]))


class ComboBook:
    def __init__(
        self, definitions: Sequence[Combo], rows: ComboRows, connections: Connections, *, default: str = BUILT_IN
    ) -> None:
        self._definitions = tuple(definitions)
        self._rows = rows
        self._connections = connections
        self._default = default

    async def all(self) -> tuple[Combo, ...]:
        """The owner's combos in the file's order, then the built-in one; exactly one is the default."""
        rows = {row.name: row for row in await self._rows.all()}
        built_in = Combo(
            name=BUILT_IN,
            targets=default_targets(await self._connections.all()),
            strategy="priority",
            source="built-in",
        )
        named = [*self._definitions]
        if all(combo.name != BUILT_IN for combo in named):
            named.append(built_in)
        default = next((row.name for row in rows.values() if row.is_default), self._default)
        if all(combo.name != default for combo in named):
            default = self._default
        return tuple(_with_row(combo, rows.get(combo.name), default) for combo in named)

    async def get(self, name: str) -> Combo | None:
        return next((combo for combo in await self.all() if combo.name == name), None)

    async def default(self) -> Combo:
        return next(combo for combo in await self.all() if combo.is_default)

    async def named(self, name: str) -> Combo:
        """
        Raises:
            NotFound: no such combo; names the nearest.
        """
        combos = await self.all()
        for combo in combos:
            if combo.name == name:
                return combo
        raise not_found("combo", name, [combo.name for combo in combos])

    async def switch(self, name: str, *, active: bool) -> Combo:
        """True makes it the default (and enables it), False disables it.

        Raises:
            NotFound: no such combo.
            InvalidRequest: the default combo cannot be disabled; another has to become the default first.
        """
        combo = await self.named(name)
        if not active and combo.is_default:
            raise InvalidRequest(
                f"`{name}` is the default combo and cannot be disabled.",
                hint="Make another combo the default first (switch_combo with active true).",
            )
        await self._rows.set_active(name, default=active, enabled=active)
        return await self.named(name)


def _with_row(combo: Combo, row: ComboRow | None, default: str) -> Combo:
    enabled = combo.enabled if row is None or row.enabled is None else row.enabled
    return combo.model_copy(
        update={
            "is_default": combo.name == default,
            "enabled": enabled or combo.name == default,
            "overridden": row is not None and (row.enabled not in (None, combo.enabled) or row.is_default),
        }
    )

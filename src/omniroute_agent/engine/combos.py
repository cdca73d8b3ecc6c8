"""Combos: named fallback chains. The owner's file defines them; what was made or changed at run time lies in the store
and wins over it.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from omniroute_agent.engine.nesting import Expansion, expand, loop_sentence, nested_in
from omniroute_agent.engine.strategies import STRATEGIES
from omniroute_agent.engine.strategies.knobs import knobs_of
from omniroute_agent.kernel.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable, not_found
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.providers.discovery import Connections
from omniroute_agent.providers.model import Connection
from omniroute_agent.store.combos import ComboRow, ComboRows, Rows

BUILT_IN: Final = "default"
"""The combo that is always there: all found connections by tier."""

LOOK_SECONDS: Final = 1.0
"""How long what was read holds. Then one number tells whether any process has changed the table."""

TIER_ORDER: Final[Mapping[Tier, int]] = {"subscription": 0, "key": 1, "cheap": 2, "free": 3}

MOST_TARGETS: Final = 200

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TARGET: Final = re.compile(r"[!-~]{1,200}")


class Combo(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    targets: tuple[str, ...]
    """`connection/model`, `provider/model`, a bare model or `combo/name`, in the owner's order."""
    strategy: str = "priority"
    options: Mapping[str, JsonValue] = Field(default_factory=dict)
    """What the owner set for the strategy; `strategies/knobs.py` knows the names."""
    tier: Tier | None = None
    enabled: bool = True
    is_default: bool = False
    source: Literal["built-in", "settings", "stored", "template"] = "settings"
    """stored: made at run time. template: the same, with targets that a template chose."""
    template: str | None = None
    overridden: bool = False
    """The store changes what the settings, or the built-in combo, say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a combo is to be from now on; None stays as it is."""

    targets: tuple[str, ...] | None = None
    strategy: str | None = None
    options: Mapping[str, JsonValue] | None = None
    """All of them. Without it a new strategy keeps those it knows."""
    tier: Tier | None = None
    enabled: bool | None = None
    template: str | None = None
    """The template that chose `targets`."""


def default_targets(connections: Iterable[Connection]) -> tuple[str, ...]:
    """The built-in combo: usable connections with a model to start with, by tier. The plan adds the local model."""
    able = [c for c in connections if c.default_model and c.unavailable is None and not c.last_resort]
    return tuple(f"{c.id}/{c.default_model}" for c in sorted(able, key=lambda c: TIER_ORDER[c.tier]))


class ComboBook:
    def __init__(
        self,
        definitions: Sequence[Combo],
        rows: ComboRows,
        connections: Connections,
        ports: Ports,
        *,
        default: str = BUILT_IN,
    ) -> None:
        self._definitions = tuple(definitions)
        self._rows = rows
        self._connections = connections
        self._ports = ports
        self._default = default
        self._stored: Rows = {}
        self._count = -1
        self._look_at = float("-inf")
        self._looking = asyncio.Lock()
        self._found: tuple[Connection, ...] = ()
        self._combos: Mapping[str, Combo] | None = None

    async def all(self) -> tuple[Combo, ...]:
        """The owner's combos in the file's order, the built-in one, then those made at run time by name; exactly one
        is the default.
        """
        return tuple((await self.by_name()).values())

    async def get(self, name: str) -> Combo | None:
        return (await self.by_name()).get(name)

    async def default(self) -> Combo:
        return next(combo for combo in (await self.by_name()).values() if combo.is_default)

    async def named(self, name: str) -> Combo:
        """
        Raises:
            NotFound: no such combo; names the nearest.
        """
        return _named(name, await self.by_name())

    async def by_name(self) -> Mapping[str, Combo]:
        """The same mapping again until a connection or the table has changed."""
        await self._look()
        connections = await self._connections.all()
        if self._combos is None or connections != self._found:
            self._found = connections
            self._combos = self._merged(self._stored)
        return self._combos

    async def expansion(self, combo: Combo) -> Expansion:
        """The plain targets behind a combo, saved or not."""
        if not nested_in(combo.targets):
            return expand(combo.name, combo.targets, {})
        return expand(combo.name, combo.targets, {**await self.by_name(), combo.name: combo})

    async def changed(self, name: str, change: Change, *, new: bool = False) -> Combo:
        """What the change would make of a combo; `new`: of none. Nothing is written.

        Raises:
            NotFound: there is no such combo to change, no such strategy, or a nested combo does not exist.
            Conflict: there is one of that name already.
            InvalidRequest: the name cannot be used, or combos would nest in a loop.
        """
        await self.by_name()
        row = self._row_after(name, change, self._stored, new=new)
        return self._checked(row, self._stored)

    async def put(self, name: str, change: Change, *, new: bool = False) -> Combo:
        """Change a combo, or make a `new` one. Raises as `changed` does, and nothing is written then."""
        await self.by_name()

        def make(rows: Rows) -> ComboRow:
            row = self._row_after(name, change, rows, new=new)
            self._checked(row, rows)
            return row

        await self._rows.put(make)
        self._look_at = float("-inf")
        return await self.named(name)

    async def remove(self, name: str) -> Combo | None:
        """Take a combo that was made at run time away, or what was changed of another; that one is given back.

        Raises:
            NotFound: no such combo.
            InvalidRequest: it is the default, another one nests it, or it stands elsewhere as it is.
        """
        await self.by_name()
        if self._defined(name) is None:
            await self._rows.delete(name, lambda rows: _check_removal(name, self._merged(rows)))
        else:
            await self._rows.put(lambda rows: _as_defined(self._merged(rows)[name], rows.get(name)))
        self._look_at = float("-inf")
        return await self.get(name)

    async def switch(self, name: str, *, active: bool, dry_run: bool = False) -> Combo:
        """True makes it the default (and enables it), False disables it. `dry_run` only tells what would come of it.

        Raises:
            NotFound: no such combo.
            InvalidRequest: the default combo cannot be disabled; another has to become the default first.
        """
        combo = await self.named(name)
        if not active and combo.is_default:
            raise _is_default(name)
        if dry_run:
            return combo.model_copy(update={"enabled": active, "is_default": active})
        await self._rows.set_active(name, default=active, enabled=active)
        self._look_at = float("-inf")
        return await self.named(name)

    async def _look(self) -> None:
        if self._ports.monotonic() < self._look_at:
            return
        async with self._looking:
            if self._ports.monotonic() < self._look_at:
                return
            # When the database cannot be read, what is known holds: the ledger says it to every caller.
            with suppress(StoreUnavailable):
                if await self._rows.changes() != self._count:
                    self._count, self._stored = await self._rows.snapshot()
                    self._combos = None
            self._look_at = self._ports.monotonic() + LOOK_SECONDS

    def _defined(self, name: str) -> Combo | None:
        """As the settings, or the program itself, have it."""
        own = next((combo for combo in self._definitions if combo.name == name), None)
        if own is not None or name != BUILT_IN:
            return own
        return Combo(name=BUILT_IN, targets=default_targets(self._found), source="built-in")

    def _merged(self, rows: Rows) -> dict[str, Combo]:
        names = [*(combo.name for combo in self._definitions), BUILT_IN, *rows]
        combos: dict[str, Combo] = {}
        for name in dict.fromkeys(names):
            if (combo := _with_row(self._defined(name), rows.get(name))) is not None:
                combos[name] = combo
        wanted = [*(row.name for row in rows.values() if row.is_default), self._default, BUILT_IN]
        default = combos[next(name for name in wanted if name in combos)]
        combos[default.name] = default.model_copy(update={"is_default": True, "enabled": True})
        return combos

    def _row_after(self, name: str, change: Change, rows: Rows, *, new: bool) -> ComboRow:
        before = self._merged(rows).get(name)
        if new and before is not None:
            raise Conflict(
                f"There is a combo `{name}` already ({before.source}).",
                hint=f"`omniroute-agent combos edit {name}` changes it.",
            )
        if not new and before is None:
            raise _no_such(name, self._merged(rows))
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                f"`{name[:80]}` is no name for a combo.",
                hint="Up to 64 letters, digits, dots, dashes and underscores; a letter or digit comes first.",
            )
        if change.enabled is False and before is not None and before.is_default:
            raise _is_default(name)
        row = rows.get(name, ComboRow(name))
        if change.targets is not None:
            _check_targets(change.targets)
            row = replace(row, targets=change.targets, template=change.template)
        options = change.options
        if change.strategy is not None:
            if change.strategy not in STRATEGIES:
                raise not_found("strategy", change.strategy, list(STRATEGIES))
            row = replace(row, strategy=change.strategy)
            if options is None and before is not None and before.strategy != change.strategy:
                known = {knob.name for knob in knobs_of(change.strategy)}
                options = {name: value for name, value in before.options.items() if name in known}
        return replace(
            row,
            options=row.options if options is None else dict(options),
            tier=change.tier or row.tier,
            enabled=row.enabled if change.enabled is None else change.enabled,
        )

    def _checked(self, row: ComboRow, rows: Rows) -> Combo:
        combos = self._merged({**rows, row.name: row})
        combo = combos.get(row.name)
        if combo is None or (not combo.targets and combo.source != "built-in"):
            raise InvalidRequest(f"`{row.name}` needs at least one target.", hint="Give it one with --target.")
        for inner in nested_in(combo.targets):
            if inner not in combos:
                raise _no_such(inner, combos)
        for loop in expand(combo.name, combo.targets, combos).loops:
            if combo.name in loop:
                raise InvalidRequest(
                    loop_sentence(loop), hint="Leave one of these targets out.", facts={"loop": list(loop)}
                )
        return combo


def _check_targets(targets: Sequence[str]) -> None:
    if len(targets) > MOST_TARGETS:
        raise InvalidRequest(f"A combo has at most {MOST_TARGETS} targets.", hint="Nest combos: `combo/NAME`.")
    for target in targets:
        if not _TARGET.fullmatch(target):
            raise InvalidRequest(
                f"{target[:80]!r} is no target.", hint="Write connection/model, provider/model, a model or combo/NAME."
            )


def _named(name: str, combos: Mapping[str, Combo]) -> Combo:
    if name not in combos:
        raise _no_such(name, combos)
    return combos[name]


def _no_such(name: str, combos: Mapping[str, Combo]) -> NotFound:
    return not_found("combo", name, list(combos))


def _check_removal(name: str, combos: Mapping[str, Combo]) -> None:
    if _named(name, combos).is_default:
        raise InvalidRequest(
            f"`{name}` is the default combo and cannot be removed.",
            hint="Make another combo the default first: `omniroute-agent combos switch NAME`.",
        )
    if outer := [each.name for each in combos.values() if name in nested_in(each.targets)]:
        users = ", ".join(f"`{each}`" for each in outer)
        raise InvalidRequest(f"`{name}` is nested in {users} and cannot be removed.", hint=f"Take it out of {users}.")


def _as_defined(combo: Combo, row: ComboRow | None) -> ComboRow:
    """The row of a combo that is as the settings have it again; it stays the default if it was."""
    if row is None or row == ComboRow(combo.name, is_default=row.is_default):
        if combo.source == "built-in":
            raise InvalidRequest(f"`{combo.name}` is built in and nothing of it was changed here.")
        raise InvalidRequest(
            f"`{combo.name}` stands in the settings file and nothing of it was changed here.",
            hint=f"Remove it there, or switch it off: `omniroute-agent combos switch {combo.name} --off`.",
        )
    return ComboRow(combo.name)


def _is_default(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{name}` is the default combo and cannot be disabled.",
        hint="Make another combo the default first (switch_combo with active true).",
    )


def _with_row(own: Combo | None, row: ComboRow | None) -> Combo | None:
    """None: a row that only changed a combo which is gone."""
    if row is None:
        return own
    if own is None:
        if row.targets is None:
            return None
        own = Combo(name=row.name, targets=row.targets, source="template" if row.template else "stored")
        return own.model_copy(update={**_changes(row), "template": row.template})
    changes = _changes(row)
    different = {name for name, value in changes.items() if value != getattr(own, name)}
    return own.model_copy(update={**changes, "overridden": bool(different) or row.is_default})


def _changes(row: ComboRow) -> dict[str, object]:
    # A strategy that another version of this program wrote may not be known here.
    strategy = row.strategy if row.strategy in STRATEGIES else None
    found = {
        "targets": row.targets,
        "strategy": strategy,
        "options": row.options,
        "tier": cast("Tier | None", row.tier),
        "enabled": row.enabled,
    }
    return {name: value for name, value in found.items() if value is not None}

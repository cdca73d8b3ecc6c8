"""What was made, changed and switched of combos at run time."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from omniroute_agent.store.database import Database

_COLUMNS: Final = "name, enabled, is_default, targets, strategy, options, tier, template"


@dataclass(frozen=True, slots=True)
class ComboRow:
    """None everywhere: as the settings file, or the built-in combo, has it."""

    name: str
    enabled: bool | None = None
    is_default: bool = False
    targets: tuple[str, ...] | None = None
    strategy: str | None = None
    options: Mapping[str, JsonValue] | None = None
    tier: str | None = None
    template: str | None = None
    """The template its targets were made by."""


Rows = Mapping[str, ComboRow]
"""By name."""


@dataclass(frozen=True, slots=True)
class ComboRows:
    database: Database

    async def changes(self) -> int:
        """Rises with every change of the table, by any process."""
        return await self.database.read(_changes)

    async def all(self) -> tuple[ComboRow, ...]:
        """By name."""
        return await self.database.read(lambda connection: tuple(_rows(connection).values()))

    async def snapshot(self) -> tuple[int, Rows]:
        """The count of changes with the rows it stands for."""
        return await self.database.read(lambda connection: (_changes(connection), _rows(connection)))

    async def set_active(self, name: str, *, default: bool, enabled: bool) -> None:
        """At most one row is the default: making one so takes it from the others."""

        def job(connection: sqlite3.Connection) -> None:
            _count(connection)
            if default:
                connection.execute("UPDATE combo SET is_default = 0")
            connection.execute(
                "INSERT INTO combo (name, enabled, is_default) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
                "SET enabled = excluded.enabled, is_default = excluded.is_default",
                (name, int(enabled), int(default)),
            )

        await self.database.write(job)

    async def put(self, make: Callable[[Rows], ComboRow]) -> None:
        """Write what `make` gives, in one transaction with the look at what was there. What it raises is passed on,
        and nothing is written. Which row is the default stays as it is.
        """

        def job(connection: sqlite3.Connection) -> None:
            row = make(_rows(connection))
            _count(connection)
            _write(connection, row)

        await self.database.write(job)

    async def delete(self, name: str, check: Callable[[Rows], None]) -> None:
        """Remove a row, in one transaction with a look at all of them. What `check` raises is passed on."""

        def job(connection: sqlite3.Connection) -> None:
            check(_rows(connection))
            _count(connection)
            connection.execute("DELETE FROM combo WHERE name = ?", (name,))

        await self.database.write(job)


def _changes(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("SELECT count FROM combo_change WHERE id = 1").fetchone()[0]
    return count


def _count(connection: sqlite3.Connection) -> None:
    """Say that the table changes now."""
    connection.execute("UPDATE combo_change SET count = count + 1 WHERE id = 1")


def _rows(connection: sqlite3.Connection) -> dict[str, ComboRow]:
    found = connection.execute(f"SELECT {_COLUMNS} FROM combo ORDER BY name")  # noqa: S608 (constants)
    return {row.name: row for row in map(_read, found)}


def _read(columns: tuple[Any, ...]) -> ComboRow:
    name, enabled, is_default, targets, strategy, options, tier, template = columns
    return ComboRow(
        name=name,
        enabled=None if enabled is None else bool(enabled),
        is_default=bool(is_default),
        targets=None if targets is None else tuple(str(targets).split("\n")),
        strategy=strategy,
        options=None if options is None else json.loads(options),
        tier=tier,
        template=template,
    )


def _write(connection: sqlite3.Connection, row: ComboRow) -> None:
    connection.execute(
        "INSERT INTO combo (name, enabled, targets, strategy, options, tier, template) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled, targets = excluded.targets, "
        "strategy = excluded.strategy, options = excluded.options, tier = excluded.tier, template = excluded.template",
        (
            row.name,
            None if row.enabled is None else int(row.enabled),
            None if row.targets is None else "\n".join(row.targets),
            row.strategy,
            None if row.options is None else json.dumps(row.options),
            row.tier,
            row.template,
        ),
    )

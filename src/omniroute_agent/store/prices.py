"""Prices beyond the bundled ones: those the owner set by hand, and a synced list."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from omniroute_agent.store.database import Database
from omniroute_agent.store.models import count_change


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """Nano-dollars per million tokens."""

    name: str
    """`provider/model` or `connection/model`."""
    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    input_bound: int | None = None
    """The dearest an input token may be billed at, where that is none of the others."""
    at: float | None = None
    """When its owner set it; None for a synced one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTables:
    own: tuple[PriceRow, ...]
    synced: tuple[PriceRow, ...]
    source: str | None
    """Where the synced ones come from."""
    at: float | None
    """When they were read."""


@dataclass(frozen=True, slots=True)
class PriceRows:
    database: Database

    async def put(self, row: PriceRow, *, at: float) -> None:
        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO own_price (name, input_nano, output_nano, cache_read_nano, cache_write_nano, at) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET input_nano = excluded.input_nano, "
                "output_nano = excluded.output_nano, cache_read_nano = excluded.cache_read_nano, "
                "cache_write_nano = excluded.cache_write_nano, at = excluded.at",
                (row.name, row.input, row.output, row.cache_read, row.cache_write, at),
            )
            count_change(connection)

        await self.database.write(job)

    async def delete(self, name: str) -> bool:
        """False when there was none."""

        def job(connection: sqlite3.Connection) -> bool:
            if connection.execute("DELETE FROM own_price WHERE name = ?", (name,)).rowcount == 0:
                return False
            count_change(connection)
            return True

        return await self.database.write(job)

    async def replace_synced(self, rows: Mapping[str, PriceRow], *, source: str | None, at: float) -> None:
        """Put a synced list in the place of the one before; without a source there is none afterwards."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM synced_price")
            connection.execute("DELETE FROM price_source")
            if source is not None:
                connection.execute("INSERT INTO price_source (id, source, at) VALUES (1, ?, ?)", (source, at))
            connection.executemany(
                "INSERT INTO synced_price (name, input_nano, output_nano, cache_read_nano, cache_write_nano, "
                "input_bound_nano) VALUES (?, ?, ?, ?, ?, ?)",
                [(r.name, r.input, r.output, r.cache_read, r.cache_write, r.input_bound) for r in rows.values()],
            )
            count_change(connection)

        await self.database.write(job)


def read_prices(connection: sqlite3.Connection) -> PriceTables:
    """Inside a job: everything at once."""
    own = connection.execute(
        "SELECT name, input_nano, output_nano, cache_read_nano, cache_write_nano, at FROM own_price ORDER BY name"
    )
    own_rows = tuple(
        PriceRow(name=name, input=put, output=out, cache_read=read, cache_write=write, at=at)
        for name, put, out, read, write, at in own
    )
    synced = connection.execute(
        "SELECT name, input_nano, output_nano, cache_read_nano, cache_write_nano, input_bound_nano "
        "FROM synced_price ORDER BY name"
    )
    synced_rows = tuple(
        PriceRow(name=name, input=put, output=out, cache_read=read, cache_write=write, input_bound=bound)
        for name, put, out, read, write, bound in synced
    )
    found = connection.execute("SELECT source, at FROM price_source WHERE id = 1").fetchone()
    source, at = found or (None, None)
    return PriceTables(own=own_rows, synced=synced_rows, source=source, at=at)

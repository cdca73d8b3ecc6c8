"""Keys that callers come in with: whom each stands for and until when. The keys themselves are not here."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from omniroute_agent.kernel.view import View
from omniroute_agent.store.database import Database

_COLUMNS: Final = "id, name, digest, scopes, view, created_at, expires_at, last_used_at, revoked_at"
_CHANGES: Final = "SELECT count FROM caller_key_change WHERE id = 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """Times are UTC epoch seconds."""

    id: str
    name: str
    digest: bytes
    scopes: frozenset[str]
    view: View
    created_at: float
    expires_at: float | None = None
    """None: it does not expire."""
    last_used_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeyRows:
    database: Database

    async def changes(self) -> int:
        """Rises with every change of the table, by any process. Uses of a key are no change."""
        return await self.database.read(_changes)

    async def all(self) -> tuple[int, tuple[KeyRow, ...]]:
        """The count of changes with the rows it stands for, oldest first."""
        return await self.database.read(lambda connection: (_changes(connection), _rows(connection)))

    async def put(
        self,
        make: Callable[[tuple[KeyRow, ...]], KeyRow],
        also: Callable[[sqlite3.Connection, KeyRow], None] | None = None,
    ) -> KeyRow:
        """Write what `make` gives, in one transaction with the look at what was there and with what `also` writes. What
        they raise is passed on, and nothing is written.
        """

        def job(connection: sqlite3.Connection) -> KeyRow:
            row = make(_rows(connection))
            connection.execute("UPDATE caller_key_change SET count = count + 1 WHERE id = 1")
            _write(connection, row)
            if also is not None:
                also(connection, row)
            return row

        return await self.database.write(job)

    def used(self, last: Mapping[str, float]) -> None:
        """Note when keys were used last; does not wait for it. Nothing is owed to a note that is lost."""
        uses = [(at, key_id, at) for key_id, at in last.items()]
        self.database.correct(
            lambda connection: connection.executemany(
                "UPDATE caller_key SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)",
                uses,
            )
        )


def forget_keys(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: delete keys that were revoked or had expired then, with their budgets; returns how many went."""
    old = connection.execute(
        "SELECT id FROM caller_key WHERE revoked_at < ? OR expires_at < ? ORDER BY id LIMIT ?", (before, before, limit)
    ).fetchall()
    connection.executemany("DELETE FROM guard WHERE name = ?", old)
    connection.executemany("DELETE FROM caller_key WHERE id = ?", old)
    return len(old)


def _changes(connection: sqlite3.Connection) -> int:
    count: int = connection.execute(_CHANGES).fetchone()[0]
    return count


def _rows(connection: sqlite3.Connection) -> tuple[KeyRow, ...]:
    found = connection.execute(f"SELECT {_COLUMNS} FROM caller_key ORDER BY created_at, id")  # noqa: S608 (constants)
    return tuple(map(_read, found))


def _read(columns: tuple[Any, ...]) -> KeyRow:
    key_id, name, digest, scopes, view, created_at, expires_at, last_used_at, revoked_at = columns
    return KeyRow(
        id=key_id,
        name=name,
        digest=bytes(digest),
        scopes=frozenset(str(scopes).split()),
        view=_view(view),
        created_at=created_at,
        expires_at=expires_at,
        last_used_at=last_used_at,
        revoked_at=revoked_at,
    )


def _write(connection: sqlite3.Connection, row: KeyRow) -> None:
    connection.execute(
        "INSERT INTO caller_key (id, name, digest, scopes, view, created_at, expires_at, last_used_at, revoked_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "name = excluded.name, scopes = excluded.scopes, view = excluded.view, expires_at = excluded.expires_at, "
        "revoked_at = excluded.revoked_at",
        (
            row.id,
            row.name,
            row.digest,
            " ".join(sorted(row.scopes)),
            _view_text(row.view),
            row.created_at,
            row.expires_at,
            row.last_used_at,
            row.revoked_at,
        ),
    )


def _view(text: str) -> View:
    said = json.loads(text)
    return View(
        toolsets=frozenset(said.get("toolsets", ())),
        tools=frozenset(said.get("tools", ())),
        exclude=frozenset(said.get("exclude", ())),
        read_only=bool(said.get("read_only", False)),
    )


def _view_text(view: View) -> str:
    """What narrows; an empty object shows everything."""
    named = {"toolsets": sorted(view.toolsets), "tools": sorted(view.tools), "exclude": sorted(view.exclude)}
    said: dict[str, object] = {name: names for name, names in named.items() if names}
    return json.dumps({**said, **({"read_only": True} if view.read_only else {})})

"""Which processes run: each tells of itself now and then, and its lock tells whether it lives."""

import sqlite3
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from omniroute_agent.kernel.ports import Ports
from omniroute_agent.store.database import Database
from omniroute_agent.store.living import lives, lock_of

BEAT_SECONDS: Final = 30.0
SILENT_SECONDS: Final = 3 * BEAT_SECONDS
"""Without a beat for so long a living process hangs, or its database cannot be written."""

State = Literal["running", "silent", "died"]
"""died: it left its lock behind, so it did not end in good order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    id: str
    pid: int
    door: str
    version: str
    scopes: tuple[str, ...] | None
    """None: each caller has those of its own key."""
    address: str | None
    """Where it listens; None on stdio."""
    started_at: float
    """UTC epoch seconds."""
    beat_at: float
    state: State


@dataclass(slots=True, kw_only=True)
class Heartbeat:
    database: Database
    instance: str
    ports: Ports
    _address: str | None = None

    def listens_at(self, address: str) -> None:
        """Known from the next commit on; nobody waits for it."""
        self._address = address
        self.database.correct(self._job())

    async def beat(self) -> None:
        await self.database.write(self._job())

    def _job(self) -> "partial[None]":
        return partial(_beat, instance=self.instance, at=self.ports.now().timestamp(), address=self._address)


def _beat(connection: sqlite3.Connection, *, instance: str, at: float, address: str | None) -> None:
    connection.execute(
        "UPDATE instance SET beat_at = ?, address = COALESCE(?, address) WHERE id = ?", (at, address, instance)
    )


async def processes(database: Database, directory: Path, *, now: float) -> tuple[Process, ...]:
    """Those that run and those that died and are not cleared away yet, the oldest first."""
    rows = await database.read(_rows)
    found = []
    for id_, pid, door, version, scopes, address, started_at, beat_at in rows:
        if not lock_of(directory, id_).exists():
            continue  # it took its lock away at its end
        late = now - (beat_at or started_at) > SILENT_SECONDS
        found.append(
            Process(
                id=id_,
                pid=pid,
                door=door,
                version=version,
                scopes=None if scopes is None else tuple(scopes.split()),
                address=address,
                started_at=started_at,
                beat_at=beat_at or started_at,
                state="died" if not lives(directory, id_) else "silent" if late else "running",
            )
        )
    return tuple(found)


_Row = tuple[str, int, str, str, str | None, str | None, float, float | None]


def _rows(connection: sqlite3.Connection) -> list[_Row]:
    return connection.execute(
        "SELECT id, pid, door, version, scopes, address, started_at, beat_at FROM instance ORDER BY started_at, id"
    ).fetchall()

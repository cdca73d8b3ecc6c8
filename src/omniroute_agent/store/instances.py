"""Each process holds a lock file of its own; an instance whose lock can be taken is dead."""

import logging
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from omniroute_agent.store.database import Database
from omniroute_agent.store.failures import unavailable
from omniroute_agent.store.living import FOLDER, lock_of
from omniroute_agent.store.locks import FileLock

_log = logging.getLogger(__name__)


class Instance:
    """A process, for as long as its lock is held."""

    def __init__(self, id: str, lock: FileLock) -> None:  # noqa: A002 (its id)
        self.id = id
        self._lock = lock

    @classmethod
    def enter(cls, directory: Path, id: str) -> Self:  # noqa: A002 (its id)
        """
        Raises:
            StoreUnavailable: the folder cannot be written.
        """
        lock = FileLock(lock_of(directory, id))
        try:
            _folder(directory)
            lock.exclusive()
            while not lock.in_place():
                # Between making the file and locking it, another process took it for one that was left behind.
                lock.release()
                lock.exclusive()
        except OSError as error:
            lock.release()
            raise unavailable(error, lock.path.parent) from error
        return cls(id, lock)

    def leave(self) -> None:
        """Ended in good order: nothing is left to settle."""
        self._lock.remove()


async def register(
    database: Database, instance: str, *, door: str, version: str, at: float, scopes: Iterable[str] | None = None
) -> None:
    """Enter this process; `scopes` None: each caller has those of its own key."""
    words = None if scopes is None else " ".join(sorted(scopes))

    def job(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO instance (id, pid, door, version, started_at, scopes, beat_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (instance, os.getpid(), door, version, at, words, at),
        )

    await database.write(job)


def dead_among(directory: Path, instances: Iterable[str]) -> dict[str, FileLock]:
    """The instances that no longer live, and the files of those that died before they were registered. Each comes with
    its lock held by the caller, who must remove it: so two processes that start together do not settle the same one.
    """
    folder = _folder(directory)
    dead: dict[str, FileLock] = {}
    for instance in sorted({*instances, *(file.stem for file in folder.glob("*.lock"))}):
        lock = FileLock(lock_of(directory, instance))
        try:
            free = lock.try_exclusive()
        except OSError as error:
            # Another user's, or no file at all: that one stays as it is, and nobody else waits for it.
            _log.warning("%s cannot be looked at: %s", lock.path, error.strerror or type(error).__name__)
            free = False
        if free:
            dead[instance] = lock
        else:
            lock.release()
    return dead


def _folder(directory: Path) -> Path:
    folder = directory / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder

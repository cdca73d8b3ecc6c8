"""One SQLite file, several processes: a writer thread that commits in groups and a reader thread.

- A transaction is one job on the writer thread, so no cancellation can leave one open.
- Jobs that wait together share one `BEGIN IMMEDIATE` … `COMMIT` and with it one fsync (`synchronous=FULL`).
- Commits hold `storage.sqlite.lk` shared, checkpoints hold it alone, and `wal_autocheckpoint` is off: a commit that
  resets the WAL during a second checkpoint corrupts the file in SQLite up to 3.51.2.
- One process is the checkpointer: whoever holds `storage.sqlite.lead`.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.store.locks import FileLock
from omniroute_agent.store.migrate import check_version, is_current, migrate, version_of

T = TypeVar("T")

FILE: Final = "storage.sqlite"
MAX_GROUP: Final = 512
"""Jobs in one commit."""
CHECKPOINT_BYTES: Final = 4 * 1024 * 1024
"""WAL size from which the checkpointer writes it back."""
PATIENCE_BYTES: Final = 64 * 1024 * 1024
"""WAL size from which the checkpointer waits for the other processes' commits to pause."""
BUSY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    schema_version: int
    sqlite_version: str
    wal_bytes: int
    commits: int
    """Commits of this process; jobs that waited together share one."""
    jobs: int


@dataclass(slots=True)
class _Job:
    run: Callable[[sqlite3.Connection], Any]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    value: Any = None
    error: BaseException | None = None

    def report(self) -> None:
        """On the loop's thread: hand the outcome to whoever still waits."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class Database:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._commit_lock = FileLock(path.with_name(f"{FILE}.lk"))
        self._lead_lock = FileLock(path.with_name(f"{FILE}.lead"))
        self._leads = False
        self._commits = 0
        self._jobs = 0
        self._queue: deque[_Job] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._write_forever, name="ledger-writer", daemon=True)
        self._readers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader")

    @classmethod
    async def open(cls, directory: Path) -> Self:
        """Open or create `storage.sqlite` under `directory` and bring it up to date.

        Raises:
            StoreUnavailable: it cannot be opened, is damaged, or a newer program has migrated it.
        """
        database = cls(directory / FILE)
        await asyncio.get_running_loop().run_in_executor(database._readers, database._prepare)
        database._thread.start()
        return database

    def _prepare(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._writer = _connect(self.path)
            with suppress(OSError):
                self.path.chmod(0o600)
            if not is_current(self._writer):
                self._commit_lock.exclusive()
                try:
                    migrate(self._writer)
                finally:
                    self._commit_lock.unlock()
            check_version(self._writer)
            self._reader = _connect(self.path)
            self._leads = self._lead_lock.try_exclusive()
        except (sqlite3.Error, OSError) as error:
            raise _unavailable(error, self.path) from error

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job that only reads; it sees every commit so far, of any process.

        Raises:
            StoreUnavailable: SQLite refused.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, job)

    def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        if self._reader is None:
            raise _closed(self.path)
        try:
            return job(self._reader)
        except sqlite3.Error as error:
            raise _unavailable(error, self.path) from error

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job in a transaction; returns when it is on the disk. Once queued it runs, whoever stops waiting.

        Raises:
            StoreUnavailable: SQLite refused, or a newer program has migrated the file.
        """
        loop = asyncio.get_running_loop()
        waiting = _Job(job, loop.create_future(), loop)
        with self._wake:
            if self._closing or self._writer is None:
                raise _closed(self.path)
            self._queue.append(waiting)
            self._wake.notify()
        done: T = await waiting.future
        return done

    async def check(self) -> DatabaseState:
        """Write a row, read it back over the other connection, and say how the file is.

        Raises:
            StoreUnavailable: it cannot be written, or what was written is not there.
        """
        beat = await self.write(_beat)
        seen = await self.read(lambda c: c.execute("SELECT beat FROM pulse WHERE id = 1").fetchone())
        if seen is None or seen[0] < beat:
            raise StoreUnavailable("The database does not read back what it wrote.", hint="Check the disk.")
        return DatabaseState(
            schema_version=await self.read(version_of),
            sqlite_version=sqlite3.sqlite_version,
            wal_bytes=self._wal_bytes(),
            commits=self._commits,
            jobs=self._jobs,
        )

    async def close(self) -> None:
        """Finish what is queued, write the WAL back if no other process is in the way, and let go of the file."""
        with self._wake:
            if self._closing:
                return
            self._closing = True
            self._wake.notify()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._readers, self._finish)
        self._readers.shutdown(wait=False)

    def _finish(self) -> None:
        self._thread.join()
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._lead_lock.release()
        self._commit_lock.release()

    def _write_forever(self) -> None:
        """The writer thread: groups of waiting jobs, one commit each."""
        while group := self._next_group():
            self._commit(group)
            for job in group:
                with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                    job.loop.call_soon_threadsafe(job.report)
            if self._wal_bytes() > CHECKPOINT_BYTES:
                self._checkpoint("PASSIVE")
        if self._writer is not None:
            self._checkpoint("TRUNCATE")
            # Closing a connection is a checkpoint too where it is the last one: under the lock, like any other.
            alone = self._commit_lock.try_exclusive()
            self._writer.close()
            self._writer = None
            if alone:
                self._commit_lock.unlock()

    def _next_group(self) -> list[_Job]:
        """Waits for work; empty when the database closes and nothing is left to do."""
        with self._wake:
            while not self._queue and not self._closing:
                self._wake.wait()
            return [self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP))]

    def _commit(self, group: list[_Job]) -> None:
        assert self._writer is not None
        connection = self._writer
        try:
            self._commit_lock.shared()
            try:
                connection.execute("BEGIN IMMEDIATE")
                check_version(connection)
                for job in group:
                    _run(job, connection)
                connection.execute("COMMIT")
                self._commits += 1
                self._jobs += len(group)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._commit_lock.unlock()
        except (sqlite3.Error, OSError, StoreUnavailable) as error:
            # Nothing of the group is on the disk, so nobody of it may believe so.
            failure = error if isinstance(error, StoreUnavailable) else _unavailable(error, self.path)
            for job in group:
                job.error = failure

    def _checkpoint(self, kind: str) -> None:
        """Write the WAL back if this process is, or can become, the checkpointer. Failing to is not an error: the next
        commit tries again. Only a WAL that has grown far is waited for, because commits of this process wait too.
        """
        self._leads = self._leads or self._lead_lock.try_exclusive()
        if not self._leads or self._writer is None:
            return
        with suppress(sqlite3.Error, OSError):
            if not self._commit_lock.try_exclusive():
                if self._wal_bytes() < PATIENCE_BYTES:
                    return
                self._commit_lock.exclusive()
            try:
                self._writer.execute(f"PRAGMA wal_checkpoint({kind})")
            finally:
                self._commit_lock.unlock()

    def _wal_bytes(self) -> int:
        try:
            return self.path.with_name(f"{FILE}-wal").stat().st_size
        except OSError:
            return 0


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=0",
        "mmap_size=0",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _run(job: _Job, connection: sqlite3.Connection) -> None:
    """One job under its own savepoint: if it fails, it fails alone."""
    connection.execute("SAVEPOINT job")
    try:
        job.value = job.run(connection)
    except BaseException as error:  # it belongs to whoever waits for this job
        job.error = _unavailable(error, None) if isinstance(error, sqlite3.Error) else error
        # A full disk or an I/O error ends the whole transaction, and with it the savepoint.
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _beat(connection: sqlite3.Connection) -> int:
    connection.execute(
        "INSERT INTO pulse (id, beat) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET beat = pulse.beat + 1"
    )
    beat: int = connection.execute("SELECT beat FROM pulse WHERE id = 1").fetchone()[0]
    return beat


def _closed(path: Path) -> StoreUnavailable:
    return StoreUnavailable(f"The database {path.name} is closed.", hint="The server is stopping; start it again.")


def _unavailable(error: BaseException, path: Path | None) -> StoreUnavailable:
    """What SQLite or the system said, with what to do about it."""
    text = str(error)
    lowered = text.lower()
    if "full" in lowered:
        hint = "Free some disk space; nothing is spent until the ledger can be written."
    elif "locked" in lowered or "busy" in lowered:
        hint = "Another process held it for too long; try again, and see `omniroute-agent doctor`."
    elif "malformed" in lowered or "not a database" in lowered:
        hint = "The file is damaged: move it away and restore a backup, or start anew."
    elif "readonly" in lowered or "read-only" in lowered or "permission" in lowered or "unable to open" in lowered:
        hint = "Check that its directory exists and that you may write there."
    else:
        hint = "Check the disk; nothing is spent until the ledger can be written."
    where = f" {path}" if path is not None else ""
    return StoreUnavailable(f"The database{where} cannot be used: {text}.", hint=hint)

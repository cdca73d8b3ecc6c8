"""The writer thread: waiting jobs share one transaction, and with it one fsync.

- A transaction is one job on this thread, so no cancellation can leave one open.
- Commits hold `storage.sqlite.lk` shared, checkpoints hold it alone, and `wal_autocheckpoint` is off: a commit that
  resets the WAL during a second checkpoint corrupts the file in SQLite up to 3.51.2.
- Whoever finds the WAL large and gets the lock alone writes it back; an idle process never stands in the way of that.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from omniroute_agent.kernel.meter import Histogram
from omniroute_agent.store.failures import closed, held, primary_code, unavailable
from omniroute_agent.store.file import BUSY_SECONDS
from omniroute_agent.store.locks import PAUSE_SECONDS, FileLock
from omniroute_agent.store.migrate import check_version

MAX_GROUP: Final = 512
"""Jobs in one commit."""
CHECKPOINT_BYTES: Final = 16 * 1024 * 1024
"""WAL size from which it is written back between two commits."""
QUIET_BYTES: Final = 1024 * 1024
"""WAL size from which it is written back once nobody has written for `QUIET_SECONDS`."""
QUIET_SECONDS: Final = 0.25
PATIENCE_BYTES: Final = 64 * 1024 * 1024
"""WAL size from which writing it back waits for a gap between the other processes' commits."""
PATIENCE_SECONDS: Final = 1.0

COMMIT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0)
"""Bounds of the buckets that commits are counted in."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Job:
    run: Callable[[sqlite3.Connection], Any]
    future: "asyncio.Future[Any] | None"
    """None: nobody waits."""
    since: float = 0.0
    """When it was queued."""
    value: Any = None
    error: BaseException | None = None

    def report(self) -> None:
        """On the loop's thread: hand the outcome to whoever still waits."""
        if self.future is None or self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class Writer:
    def __init__(self, path: Path, lock: FileLock, clock: Callable[[], float] | None = None) -> None:
        """`lock` is used on this thread only, between `start` and `stop`. `clock` gives seconds, for `seconds`."""
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._lock = lock
        self._connection: sqlite3.Connection | None = None
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._open = False
        self._door = threading.Lock()
        self._pause = threading.Event()
        self._checkpoint_from = CHECKPOINT_BYTES
        # A process that ends without `stop` is not kept alive: an unfinished commit is then as if never begun.
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._clock = clock or float
        self.commits = 0
        self.jobs = 0
        self.seconds = Histogram(COMMIT_SECONDS)
        """From the moment the first job of a commit was queued until it was on the disk."""

    def start(self, connection: sqlite3.Connection) -> None:
        """Owns the connection from now on."""
        # Waiting for other processes is done here and fairly: SQLite's own waits grow longer the longer they last.
        connection.execute("PRAGMA busy_timeout=0")
        self._connection = connection
        self._open = True
        self._thread.start()

    def put(self, run: Callable[[sqlite3.Connection], Any], future: "asyncio.Future[Any] | None" = None) -> None:
        """Queue a job. It runs whoever stops waiting; without a future its failure is logged.

        Raises:
            StoreUnavailable: the writer was stopped.
        """
        with self._door:
            if not self._open:
                raise closed(self._path)
            self._queue.put(_Job(run, future, self._clock()))

    def refuse(self) -> None:
        """Take no more jobs; what is queued still runs."""
        with self._door:
            if self._open:
                self._open = False
                self._queue.put(None)

    def stop(self) -> None:
        """Wait for what is queued, write the WAL back if other processes let us, and close the connection."""
        self.refuse()
        if self._connection is None:
            return
        self._thread.join()
        self._checkpoint(PATIENCE_SECONDS)
        # Closing the last connection is a checkpoint too. Without the lock there are other processes, so it is not.
        with suppress(OSError):
            self._lock.wait(exclusive=True, seconds=0)
        with suppress(sqlite3.Error):
            self._connection.close()
        self._connection = None

    def waiting(self) -> int:
        """Jobs in the queue, about."""
        return self._queue.qsize()

    def wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0

    def _work(self) -> None:
        assert self._connection is not None
        while True:
            group, last = self._next_group()
            if group:
                self._commit(group, self._connection)
                _report(group)
                self._checkpoint_if_large()
            if last:
                return

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Waits for work. True with the last jobs there will be."""
        try:
            job = self._queue.get(timeout=QUIET_SECONDS)
        except Empty:
            if self.wal_bytes() > QUIET_BYTES:
                self._checkpoint(0)
            job = self._queue.get()
        group: list[_Job] = []
        while job is not None:
            group.append(job)
            if len(group) == MAX_GROUP:
                return group, False
            try:
                job = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _commit(self, group: list[_Job], connection: sqlite3.Connection) -> None:
        try:
            self._begin(connection)
            try:
                check_version(connection)
                for job in group:
                    _run(job, connection)
                connection.execute("COMMIT")
            finally:
                self._end(connection)
        except BaseException as error:  # noqa: BLE001 (whatever it was, nobody of the group may believe it is written)
            for job in group:
                job.error = unavailable(error, self._path)
                job.error.__cause__ = error
        else:
            self.commits += 1
            self.jobs += len(group)
            self.seconds.observe(self._clock() - group[0].since)

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Take the turn to write. Whoever waits holds nothing, so a checkpoint finds its gap.

        Raises:
            StoreUnavailable: other processes kept it for 10 seconds.
        """
        for _ in range(round(BUSY_SECONDS / PAUSE_SECONDS)):
            if self._lock.try_shared():
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.Error as error:
                    self._lock.unlock()
                    if primary_code(error) != sqlite3.SQLITE_BUSY:
                        raise
                else:
                    return
            self._pause.wait(PAUSE_SECONDS)
        raise held(self._path)

    def _end(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        finally:
            self._lock.unlock()

    def _checkpoint_if_large(self) -> None:
        size = self.wal_bytes()
        if size < CHECKPOINT_BYTES:
            self._checkpoint_from = CHECKPOINT_BYTES
        elif size >= self._checkpoint_from:
            self._checkpoint(PATIENCE_SECONDS if size > PATIENCE_BYTES else 0)
            # Where a reader, a commit or a full disk was in the way, trying after every commit would only cost time.
            self._checkpoint_from = self.wal_bytes() + CHECKPOINT_BYTES

    def _checkpoint(self, seconds: float) -> None:
        """Write the WAL back and empty it, with no commit of any process under way. Failing to is not an error."""
        assert self._connection is not None
        with suppress(sqlite3.Error, OSError):
            if self._lock.wait(exclusive=True, seconds=seconds):
                try:
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                finally:
                    self._lock.unlock()


def _run(job: _Job, connection: sqlite3.Connection) -> None:
    """One job under its own savepoint: if it fails, it fails alone."""
    connection.execute("SAVEPOINT job")
    try:
        job.value = job.run(connection)
    except BaseException as error:  # it belongs to whoever waits for this job
        job.error = unavailable(error) if isinstance(error, sqlite3.Error) else error
        # A full disk or an I/O error may end the whole transaction, and with it what the jobs before had done.
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _report(group: list[_Job]) -> None:
    waiting: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in group:
        if job.future is not None:
            waiting.setdefault(job.future.get_loop(), []).append(job)
        elif job.error is not None:
            _log.warning("A correction of the database failed: %s", job.error)
    for loop, jobs in waiting.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_report_here, jobs)


def _report_here(jobs: list[_Job]) -> None:
    for job in jobs:
        job.report()

"""Shared and exclusive locks on side files, released by the kernel when their process ends in whatever way.

Never on a database file itself: closing any descriptor of it would drop SQLite's own locks.
"""

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import portalocker

    def _lock(descriptor: int, *, exclusive: bool, wait: bool) -> None:
        flags = portalocker.LockFlags.EXCLUSIVE if exclusive else portalocker.LockFlags.SHARED
        if not wait:
            flags |= portalocker.LockFlags.NON_BLOCKING
        try:
            portalocker.lock(descriptor, flags)
        except portalocker.exceptions.LockException as error:
            raise BlockingIOError(str(error)) from error

    def _unlock(descriptor: int) -> None:
        portalocker.unlock(descriptor)

else:
    import fcntl

    def _lock(descriptor: int, *, exclusive: bool, wait: bool) -> None:
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


PAUSE_SECONDS: Final = 0.001
"""Between two tries. The kernel could wait for us, but without an end: a stopped process may hold a lock for hours."""


class FileLock:
    """One holder's view of a lock file. Two of them in one process exclude each other like two processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        return self._descriptor

    def shared(self) -> None:
        """Wait until nobody holds it exclusively."""
        _lock(self._open(), exclusive=False, wait=True)

    def exclusive(self) -> None:
        """Wait until nobody holds it."""
        _lock(self._open(), exclusive=True, wait=True)

    def try_exclusive(self) -> bool:
        """Take it alone if that is possible at once."""
        return self._try(exclusive=True)

    def try_shared(self) -> bool:
        return self._try(exclusive=False)

    def _try(self, *, exclusive: bool) -> bool:
        try:
            _lock(self._open(), exclusive=exclusive, wait=False)
        except BlockingIOError:
            return False
        return True

    def wait(self, *, exclusive: bool, seconds: float) -> bool:
        """Take it within that time, which may be 0; False when others kept it."""
        pause = threading.Event()
        for _ in range(round(seconds / PAUSE_SECONDS)):
            if self._try(exclusive=exclusive):
                return True
            pause.wait(PAUSE_SECONDS)
        return self._try(exclusive=exclusive)

    def in_place(self) -> bool:
        """Whether the open file is still the one at the path: who had the lock before may have removed it."""
        try:
            return os.path.samestat(os.fstat(self._open()), self.path.stat())
        except FileNotFoundError:
            return False

    def unlock(self) -> None:
        """Let others in but keep the file open, for a lock that is taken often."""
        if self._descriptor is not None:
            _unlock(self._descriptor)

    def release(self) -> None:
        """Let go of lock and file; may be called twice."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def remove(self) -> None:
        """Let go and delete the file: for a name that is used once."""
        self.release()  # first, because some systems keep open files
        with suppress(OSError):
            self.path.unlink()

"""What SQLite or the system said, as an error with what to do about it."""

import errno
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from omniroute_agent.kernel.errors import StoreUnavailable

_NO_SPACE: Final = "Free some disk space; nothing is spent until the ledger can be written."
_NO_WAY_IN: Final = "Check that its directory exists and that you may write there."
_DAMAGED: Final = "The file is damaged: move it away and restore a backup, or start anew."
_HELD: Final = "Another process held it for too long; try again, and see `omniroute-agent doctor`."
_UNKNOWN: Final = "Check the disk; nothing is spent until the ledger can be written."

_SQLITE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_FULL: _NO_SPACE,
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_READONLY: _NO_WAY_IN,
    sqlite3.SQLITE_PERM: _NO_WAY_IN,
    sqlite3.SQLITE_CANTOPEN: _NO_WAY_IN,
}
_SYSTEM: Final[Mapping[str, str]] = {
    "ENOSPC": _NO_SPACE,
    "EDQUOT": _NO_SPACE,
    "EACCES": _NO_WAY_IN,
    "EPERM": _NO_WAY_IN,
    "EROFS": _NO_WAY_IN,
    "ENOTDIR": _NO_WAY_IN,
    "EEXIST": _NO_WAY_IN,
}
"""By name: not every system has every number."""


def primary_code(error: BaseException) -> int | None:
    """SQLite's result code without its extension; None when the error is not SQLite's own."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def unavailable(error: BaseException, path: Path | None = None) -> StoreUnavailable:
    """A new error each time: callers add facts of their own to it."""
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(error.message, hint=error.hint, facts=error.facts)
    hint = _SQLITE.get(primary_code(error) or 0, _UNKNOWN)
    if isinstance(error, OSError) and error.errno is not None:
        hint = _SYSTEM.get(errno.errorcode.get(error.errno, ""), hint)
    where = f" {path}" if path is not None else ""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return StoreUnavailable(f"The database{where} cannot be used: {text}.", hint=hint)


def held(path: Path) -> StoreUnavailable:
    return StoreUnavailable(f"The database {path} cannot be used: it is locked.", hint=_HELD)


def closed(path: Path) -> StoreUnavailable:
    return StoreUnavailable(f"The database {path.name} is closed.", hint="The server is stopping; start it again.")

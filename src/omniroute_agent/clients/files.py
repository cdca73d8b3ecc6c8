"""Other people's files: read whole, replaced whole, with a copy of what was there beside them."""

import glob
import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omniroute_agent.clients.problems import CannotEdit

_MARK: Final = ".before-omniroute-"
_LARGEST: Final = 64 << 20
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Found:
    path: Path
    """As it was named; a copy goes beside it."""
    real: Path
    """Behind all links: what is replaced."""
    content: bytes | None
    """None: there is no such file."""
    mode: int | None = None
    owner: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        """
        Raises:
            CannotEdit: it is not UTF-8.
        """
        try:
            return (self.content or b"").removeprefix(_BOM).decode()
        except UnicodeDecodeError:
            raise CannotEdit(f"{self.path} is not UTF-8 text", "Save it as UTF-8 first; nothing was changed.") from None

    def bytes_of(self, text: str) -> bytes:
        """The text as this file would hold it: with its byte order mark, if it begins with one."""
        return (_BOM if (self.content or b"").startswith(_BOM) else b"") + text.encode()


def look(path: Path) -> Found:
    """
    Raises:
        CannotEdit: something is there that cannot be read as a file.
    """
    try:
        real = path.resolve(strict=True) if path.is_symlink() else path
        facts = real.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise CannotEdit(
                f"{path} is a link to a file that does not exist", "Make that file, or remove the link."
            ) from None
        return Found(path, path, None)
    except OSError as error:
        raise CannotEdit(f"{path} cannot be read: {error.strerror or error}") from None
    if not stat.S_ISREG(facts.st_mode):
        raise CannotEdit(f"{path} is not a file")
    if facts.st_size > _LARGEST:
        raise CannotEdit(f"{path} is larger than 64 MiB; is it the right one?")
    try:
        content = real.read_bytes()
    except OSError as error:
        raise CannotEdit(f"{path} cannot be read: {error.strerror or error}") from None
    return Found(path, real, content, stat.S_IMODE(facts.st_mode), (facts.st_uid, facts.st_gid))


def replace(found: Found, content: bytes) -> None:
    """Write the file as a whole, with the mode it had; it is on the disk when this returns.

    Raises:
        CannotEdit: it may not be written, or somebody else wrote it meanwhile.
    """
    check_writable(found)
    try:
        found.real.parent.mkdir(parents=True, exist_ok=True)
        draft = _draft(found, content)
        try:
            _check_unchanged(found)
            draft.replace(found.real)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotEdit(f"{found.path} cannot be written: {error.strerror or error}", "Nothing was changed.") from None


def _check_unchanged(found: Found) -> None:
    if look(found.path).content != found.content:
        raise CannotEdit(f"{found.path} was changed by another program just now", "Run this again.")


def check_writable(found: Found) -> None:
    """A rename would replace a file that its owner made read-only; that is not ours to override.

    Raises:
        CannotEdit: it is read-only.
    """
    if found.mode is not None and not found.mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise CannotEdit(f"{found.path} is read-only", "Make it writable first; nothing was changed.")


def remove(path: Path) -> None:
    """
    Raises:
        CannotEdit: it cannot be removed.
    """
    try:
        path.unlink()
    except OSError as error:
        raise CannotEdit(f"{path} cannot be removed: {error.strerror or error}") from None


def copy_for(found: Found, written: bytes) -> Path:
    """Where the copy of the file lies that was taken before `written` replaced it: its name carries the digest."""
    return found.path.with_name(f"{found.path.name}{_MARK}{hashlib.sha256(written).hexdigest()[:12]}")


def copies(path: Path) -> list[Path]:
    """All copies of earlier states that lie beside a file."""
    return sorted(other for other in path.parent.glob(f"{glob.escape(path.name)}{_MARK}*") if other.is_file())


def _draft(found: Found, content: bytes) -> Path:
    """The new file under a name of its own, in the same directory: only there a rename is one step."""
    draft = found.real.with_name(f".{found.real.name}.{os.getpid()}.{os.urandom(6).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if found.mode is None else 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if found.mode is not None:
            _like(draft, found)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _like(draft: Path, found: Found) -> None:
    """Mode and, where we may, owner of the file that is replaced."""
    if os.name == "posix" and found.owner is not None:
        with suppress(PermissionError):
            os.chown(draft, *found.owner)
    draft.chmod(found.mode or 0o600)

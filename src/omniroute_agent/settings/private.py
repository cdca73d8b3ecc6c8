"""Files that only the owner may read, and the house's own keys among them."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.problems import Problem, SettingsError, unreadable

OWNER_KEY_FILE: Final = "owner.key"
OWNER_KEY_PREFIX: Final = "orak_"
STATE_KEY_FILE: Final = "state.key"
STATE_KEY_PREFIX: Final = "orsk_"
SIGNING_KEY_FILE: Final = "a2a_signing.pem"
_KEY_BYTES: Final = 32

T = TypeVar("T")


def owner_key(directory: Path, *, draw: Callable[[int], bytes] = os.urandom) -> Secret:
    """The key of this machine's owner, made on first use: 256 bits in `<directory>/owner.key`, readable by its owner.

    Two processes that start together get the same key: the file appears whole or not at all, and the second finds it.
    `draw` gives that many random bytes.

    Raises:
        SettingsError: the file cannot be made or read, is not a key, or others may read it.
    """
    return _own_key(directory / OWNER_KEY_FILE, OWNER_KEY_PREFIX, "owner key", draw)


def state_key(directory: Path, *, draw: Callable[[int], bytes] = os.urandom) -> Secret:
    """The key that seals what a client keeps for the server between two calls, the same for all processes of a data
    directory: 256 bits in `<directory>/state.key`. Without that file there is a new one, and what was sealed is void.

    Raises:
        SettingsError: as `owner_key`.
    """
    return _own_key(directory / STATE_KEY_FILE, STATE_KEY_PREFIX, "state key", draw)


def signing_key(directory: Path, *, make: Callable[[], Secret], read: Callable[[Secret], T]) -> T:
    """The private key with which the A2A door signs, in PEM in `<directory>/a2a_signing.pem`: made on first use by
    `make`, the same for all processes of a data directory, and given as what `read` makes of it. Without that file
    there is a new one, and who trusted the old key has to learn it.

    Raises:
        SettingsError: as `owner_key`; `read` says with a ValueError that it is no such key.
    """
    path = directory / SIGNING_KEY_FILE
    text = _made_once(path, "signing key", lambda: make().reveal())
    try:
        return read(Secret(text))
    except ValueError as error:
        raise SettingsError([Problem(key=str(path), message=f"{error}; delete it to get a new one")]) from None


def _own_key(path: Path, prefix: str, name: str, draw: Callable[[int], bytes]) -> Secret:
    text = _made_once(path, name, lambda: f"{prefix}{draw(_KEY_BYTES).hex()}\n").strip()
    if not text.startswith(prefix) or len(text) != len(prefix) + 2 * _KEY_BYTES:
        raise SettingsError([Problem(key=str(path), message=f"this is no {name}; delete it to get a new one")])
    return Secret(text)


def _made_once(path: Path, name: str, make: Callable[[], str]) -> str:
    """
    Raises:
        SettingsError: the file cannot be made or read, or others may read it.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                publish(path, make())
        return read_private(path)
    except OSError as error:
        raise SettingsError([unreadable(path, error, key=name)]) from None


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole with one that only its owner may read; it is on the disk when this returns.

    Raises:
        OSError: as the system says it.
    """
    draft = _written(path, text)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def read_private(path: Path) -> str:
    """
    Raises:
        SettingsError: others may read the file, or it does not hold text.
        OSError: it cannot be read at all.
    """
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if os.name == "posix" and mode & 0o077:
            message = f"others may read this file (mode {mode:03o}); run `chmod 600 {path}`"
            raise SettingsError([Problem(key=str(path), message=message)])
        content = file.read()
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SettingsError([Problem(key=str(path), message="the file does not hold text")]) from None


def publish(path: Path, text: str) -> None:
    """Make a file that did not exist, whole.

    Raises:
        FileExistsError: somebody was faster.
    """
    draft = _written(path, text)
    try:
        if os.name == "nt":
            draft.rename(path)  # refuses to replace, on this system only
        else:
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _written(path: Path, text: str) -> Path:
    """A finished private file beside `path`, under a name of its own."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(6).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _sync_directory(directory: Path) -> None:
    """Make the new name durable, where directories can be opened."""
    if os.name == "posix":
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

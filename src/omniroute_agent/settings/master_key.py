"""Where the key lies that seals stored secrets: the environment, the system's keyring, or a private file.

The first place that has a key is the one that counts. There is no way to store a secret without such a key.
A key is 256 bits, written as `ormk_` and 64 hexadecimal digits.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar, cast

from omniroute_agent.kernel.sealed import CannotUnseal
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.draft import MASTER_KEY_VARIABLE, NEXT_MASTER_KEY_VARIABLE
from omniroute_agent.settings.private import publish, read_private, write_private
from omniroute_agent.settings.problems import Problem, SettingsError, unreadable
from omniroute_agent.settings.sources import named_key

MASTER_KEY_FILE: Final = "master.key"
PREFIX: Final = "ormk_"
_BYTES: Final = 32
_FORM: Final = re.compile(rf"(?:{PREFIX})?([0-9a-fA-F]{{{2 * _BYTES}}})")
_SERVICE: Final = "omniroute-agent"
_TRUSTED: Final = ("SecretService", "libsecret", "macOS", "Windows", "kwallet")
"""Modules of `keyring.backends` that keep what they get encrypted. Whatever else is installed (`keyrings.alt` writes
plain text, `null` forgets, `fail` fails) is as good as none."""

T = TypeVar("T")

Slot = Literal["current", "next"]
"""next: a rotation writes the new key there before it seals anything with it."""


class KeyPlace(Protocol):
    """A place that can hold the master key. Every method may raise `SettingsError`."""

    @property
    def where(self) -> str:
        """For people: `file …/master.key`."""
        ...

    @property
    def writable(self) -> bool: ...

    def read(self, slot: Slot) -> Secret | None:
        """The key as 64 hexadecimal digits; None when there is none."""
        ...

    def create(self) -> Secret:
        """Make a key where there is none. Two processes that do it together get the same one."""
        ...

    def draw_next(self) -> Secret:
        """A new key, safely in the slot `next`; one that an unfinished rotation left there is replaced."""
        ...

    def promote(self) -> None:
        """What is in `next` becomes the current key."""
        ...


class Ring(Protocol):
    """What is used of a keyring backend."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


def key_places(
    directory: Path,
    *,
    keyring: bool = True,
    environment: Mapping[str, str] | None = None,
    find_ring: Callable[[], Ring | None] | None = None,
) -> tuple[KeyPlace, ...]:
    """The places of a data directory, first one first. `keyring` False leaves the system's keyring out."""
    ring = (find_ring or system_ring)() if keyring else None
    places: list[KeyPlace] = [_EnvironmentPlace(environment)]
    if ring is not None:
        places.append(_RingPlace(ring, directory))
    return (*places, _FilePlace(directory))


class MasterKeys:
    """`kernel.sealed.Keys` of one data directory; its places are looked for when they are first needed."""

    def __init__(self, places: Callable[[], Sequence[KeyPlace]]) -> None:
        self._find = places
        self._found: Sequence[KeyPlace] | None = None

    def where(self) -> str:
        return _told(lambda: self._chosen().where)

    def current(self) -> Secret | None:
        return _told(lambda: self._read("current"))

    def upcoming(self) -> Secret | None:
        return _told(lambda: self._read("next"))

    def create(self) -> Secret:
        return _told(lambda: self._first_writable().create())

    def draw_next(self) -> Secret:
        return _told(lambda: self._chosen().draw_next())

    def promote(self) -> None:
        _told(lambda: self._chosen().promote())

    def _places(self) -> Sequence[KeyPlace]:
        if self._found is None:
            self._found = self._find()
        return self._found

    def _present(self) -> KeyPlace | None:
        return next((place for place in self._places() if place.read("current") is not None), None)

    def _chosen(self) -> KeyPlace:
        return self._present() or self._first_writable()

    def _first_writable(self) -> KeyPlace:
        return next(place for place in self._places() if place.writable)

    def _read(self, slot: Slot) -> Secret | None:
        place = self._present()
        return None if place is None else place.read(slot)


def _told(call: Callable[[], T]) -> T:
    try:
        return call()
    except SettingsError as error:
        raise CannotUnseal("; ".join(problem.sentence().rstrip(".") for problem in error.problems)) from None


def system_ring() -> Ring | None:
    """The system's own keyring; None where there is none that can be trusted, or the extra `keyring` is missing."""
    try:
        # Imported here because it is an extra, and looks for backends as it loads.
        import keyring  # noqa: PLC0415 (lazy)
        from keyring.errors import KeyringError  # noqa: PLC0415 (lazy)
    except ImportError:
        return None
    try:
        backend = keyring.get_keyring()
    except (KeyringError, RuntimeError):
        return None
    # The chainer asks several backends in turn, trusted or not.
    for one in getattr(backend, "backends", None) or (backend,):
        package, _, module = type(one).__module__.rpartition(".")
        if package == "keyring.backends" and module in _TRUSTED:
            # Whatever a backend raises: it is of no use here then.
            with suppress(Exception):
                one.get_password(_SERVICE, "probe")
                return _Guarded(cast("Ring", one))
    return None


def digits(text: str, where: str) -> Secret:
    """
    Raises:
        SettingsError: this is no master key.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        message = (
            f"this is not a master key: expected {2 * _BYTES} hexadecimal digits, as `openssl rand -hex {_BYTES}` makes"
        )
        raise SettingsError([Problem(key=where, message=message)])
    return Secret(found[1].lower())


def _fresh() -> Secret:
    return Secret(os.urandom(_BYTES).hex())


class _EnvironmentPlace:
    def __init__(self, environment: Mapping[str, str] | None) -> None:
        self._environment = environment
        self.where = f"environment variable {MASTER_KEY_VARIABLE}"
        self.writable = False

    def read(self, slot: Slot) -> Secret | None:
        name = MASTER_KEY_VARIABLE if slot == "current" else NEXT_MASTER_KEY_VARIABLE
        found = named_key(name, self._environment)
        if found is None:
            return None
        if found.secret is None:
            raise SettingsError([Problem(key=name, message=found.problem or "it holds no key")])
        return digits(found.secret.reveal(), found.where)

    def create(self) -> Secret:
        raise SettingsError([Problem(key=MASTER_KEY_VARIABLE, message="set it to a master key first")])

    def draw_next(self) -> Secret:
        key = self.read("next")
        if key is None:
            message = (
                f"the master key comes from {MASTER_KEY_VARIABLE}; put the new one into {NEXT_MASTER_KEY_VARIABLE} "
                f"(or a file that {NEXT_MASTER_KEY_VARIABLE}_FILE names) and run this again"
            )
            raise SettingsError([Problem(key=NEXT_MASTER_KEY_VARIABLE, message=message)])
        return key

    def promote(self) -> None:
        """Only whoever set the variable can."""


class _FilePlace:
    def __init__(self, directory: Path) -> None:
        self._paths: dict[Slot, Path] = {
            "current": directory / MASTER_KEY_FILE,
            "next": directory / f"{MASTER_KEY_FILE}.next",
        }
        self.where = f"file {self._paths['current']}"
        self.writable = True

    def read(self, slot: Slot) -> Secret | None:
        path = self._paths[slot]
        try:
            return digits(read_private(path), str(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SettingsError([unreadable(path, error, key="master key")]) from None

    def create(self) -> Secret:
        path = self._paths["current"]
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                publish(path, f"{PREFIX}{_fresh().reveal()}\n")
            return digits(read_private(path), str(path))
        except OSError as error:
            raise SettingsError([unreadable(path, error, key="master key")]) from None

    def draw_next(self) -> Secret:
        path, key = self._paths["next"], _fresh()
        try:
            write_private(path, f"{PREFIX}{key.reveal()}\n")
        except OSError as error:
            raise SettingsError([unreadable(path, error, key="master key")]) from None
        return key

    def promote(self) -> None:
        try:
            self._paths["next"].replace(self._paths["current"])
        except FileNotFoundError:
            return
        except OSError as error:
            raise SettingsError([unreadable(self._paths["current"], error, key="master key")]) from None


class _RingPlace:
    def __init__(self, ring: Ring, directory: Path) -> None:
        self._ring = ring
        self._names: dict[Slot, str] = {"current": str(directory), "next": f"{directory} (next)"}
        self.where = f"the system's keyring ({_SERVICE}, {directory})"
        self.writable = True

    def read(self, slot: Slot) -> Secret | None:
        text = self._ring.get_password(_SERVICE, self._names[slot])
        return None if text is None else digits(text, self.where)

    def create(self) -> Secret:
        key = self.read("current")
        if key is None:
            self._put("current", _fresh())
            key = self.read("current")  # whoever wrote last won, and both read that
        if key is None:
            raise SettingsError([Problem(key=self.where, message="the keyring forgot the key it was given")])
        return key

    def draw_next(self) -> Secret:
        key = _fresh()
        self._put("next", key)
        return key

    def promote(self) -> None:
        key = self.read("next")
        if key is not None:
            self._put("current", key)
            self._ring.delete_password(_SERVICE, self._names["next"])

    def _put(self, slot: Slot, key: Secret) -> None:
        self._ring.set_password(_SERVICE, self._names[slot], PREFIX + key.reveal())


class _Guarded:
    """A keyring whose failures are ours to read: it may be locked, or its daemon gone."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    def get_password(self, service: str, username: str) -> str | None:
        return self._told(lambda: self._ring.get_password(service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._told(lambda: self._ring.set_password(service, username, password))

    def delete_password(self, service: str, username: str) -> None:
        self._told(lambda: self._ring.delete_password(service, username))

    def _told(self, call: Callable[[], str | None]) -> str | None:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 (each backend has errors of its own, from the bus below it too)
            message = (
                f"the system's keyring refused ({type(error).__name__}); unlock it, or set secrets.keyring to false"
            )
            raise SettingsError([Problem(key="keyring", message=message)]) from None

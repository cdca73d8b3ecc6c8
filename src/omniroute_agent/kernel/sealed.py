"""What those who keep secrets and those who seal them agree on: the place of a sealed value, the key, the failure."""

from dataclasses import dataclass
from typing import Protocol

from omniroute_agent.kernel.secret import Secret


class CannotUnseal(Exception):
    """A stored secret does not open, or there is no key to seal one with. The text says why, for the owner: the rest of
    a sentence, without a full stop.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a sealed value lies."""

    table: str
    column: str
    row: str
    version: int
    """Of the row: it rises with each write, so an older value does not fit any more."""
    bound: tuple[str, ...] = ()
    """What else may not change without the key."""


class Keys(Protocol):
    """The master key of one house and where it lies.

    Any method may raise `CannotUnseal`, and may wait for a keyring, so it is called from a thread. Whatever writes is
    called by one process at a time: the caller holds the database's write lock.
    """

    def where(self) -> str:
        """Where the key lies, or would be made, for people."""
        ...

    def current(self) -> Secret | None:
        """The key as 64 hexadecimal digits."""
        ...

    def upcoming(self) -> Secret | None:
        """The key that a rotation has drawn, and perhaps sealed with, but not yet put in its place."""
        ...

    def create(self) -> Secret:
        """Make a key where there is none."""
        ...

    def draw_next(self) -> Secret:
        """A new key, safely kept beside the current one; one that an unfinished rotation left there is replaced."""
        ...

    def promote(self) -> None:
        """The upcoming key takes the place of the current one."""
        ...

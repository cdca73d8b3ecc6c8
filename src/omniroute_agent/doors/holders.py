"""Whom a credential stands for: the owner's key, a key from the store, or a token of the issuer the owner trusts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Protocol

from omniroute_agent.kernel.secret import Secret
from omniroute_agent.kernel.view import EVERYTHING, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whom a credential stands for."""

    id: str
    scopes: frozenset[str]
    view: View = EVERYTHING
    until: float | None = None
    """When it stops to be good, UTC epoch seconds; None: it does not by itself."""


class NotRecognised(Exception):
    """A credential opens nothing. The text says why, without repeating it."""

    def __init__(self, message: str = "The key is not known here.", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CannotTell(Exception):
    """Nobody can say at the moment what a credential is good for. The text says why."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Credentials(Protocol):
    """One kind of credential."""

    def ours(self, presented: bytes) -> bool:
        """Whether it looks like one of this kind."""
        ...

    async def find(self, presented: bytes) -> Holder:
        """
        Raises:
            NotRecognised: it opens nothing.
            CannotTell: at the moment.
        """
        ...


def key_digest(key: Secret) -> bytes:
    """The form in which keys are stored and compared."""
    return sha256(key.reveal().encode()).digest()


class Holders:
    def __init__(
        self,
        keys: Mapping[bytes, Holder],
        credentials: Sequence[Credentials] = (),
        *,
        anyone: Holder | None = None,
    ) -> None:
        """`keys` maps `key_digest` to holder: a few that need no store. `anyone` is who comes in without a
        credential: for loopback tests only.
        """
        self._keys = dict(keys)
        self._credentials = tuple(credentials)
        self.anyone = anyone

    async def find(self, presented: bytes) -> Holder:
        """
        Raises:
            NotRecognised: it opens nothing.
            CannotTell: at the moment.
        """
        presented = presented.strip()
        for kind in self._credentials:
            if kind.ours(presented):
                return await kind.find(presented)
        holder = self._known(presented)
        if holder is None:
            raise NotRecognised
        return holder

    def _known(self, presented: bytes) -> Holder | None:
        """Compares with every key, whatever is found, so that time tells nothing."""
        digest = sha256(presented).digest()
        found: Holder | None = None
        for known, holder in self._keys.items():
            if compare_digest(digest, known):
                found = holder
        return found

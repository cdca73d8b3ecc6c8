"""Secrets at rest: AES-256-GCM, one sealed value per column, bound to the very place it lies in.

A sealed value is `version (1) · key id (8) · nonce (12) · ciphertext · tag (16)` in bytes. Authenticated with it, and
so unchangeable without the key: version, key id, table, column, row id, the row's own version, and whatever the caller
binds to it, such as the address a credential may go to. So a value moved to another row or column, an older value of
the same row put back, or a row pointed at another address does not open.
"""

import hashlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from omniroute_agent.kernel.sealed import CannotUnseal, Place
from omniroute_agent.kernel.secret import Secret

KEY_BYTES: Final = 32
FORMAT: Final = 1
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEAD: Final = 1 + _ID_BYTES
_LEAST: Final = _HEAD + _NONCE_BYTES + _TAG_BYTES


class WrongKey(CannotUnseal):
    """It was sealed with another master key."""


class OtherFormat(CannotUnseal):
    """It has another format version, or none at all."""


class MissingKey(CannotUnseal):
    """There is no master key although something is sealed."""


class Tampered(CannotUnseal):
    """It was changed, cut off or moved, or belongs to an older version of its row."""


class MasterKey:
    """A 256-bit key that seals and opens. It does not print."""

    __slots__ = ("_cipher", "id")

    def __init__(self, key: Secret) -> None:
        """`key` is 64 hexadecimal digits.

        Raises:
            ValueError: it is something else.
        """
        raw = bytes.fromhex(key.reveal())
        if len(raw) != KEY_BYTES:
            raise ValueError("a master key has 256 bits")
        self.id: Final = hashlib.sha256(b"omniroute-agent master key id\0" + raw).digest()[:_ID_BYTES]
        self._cipher = AESGCM(raw)

    def __repr__(self) -> str:
        return f"MasterKey({self.id.hex()})"

    def seal(self, secret: Secret, place: Place) -> bytes:
        # Random nonces are safe for 2**32 values under one key (NIST SP 800-38D §8.3); a house has a few hundred.
        nonce = os.urandom(_NONCE_BYTES)
        head = bytes((FORMAT,)) + self.id
        return head + nonce + self._cipher.encrypt(nonce, secret.reveal().encode(), _bound(head, place))

    def unseal(self, sealed: bytes, place: Place) -> Secret:
        """
        Raises:
            CannotUnseal: it does not open; the subclass says why.
        """
        found = key_id_of(sealed)
        if found != self.id:
            raise WrongKey(
                f"it was sealed with the master key {found.hex()}, and the one that was found is {self.id.hex()}"
            )
        nonce, text = sealed[_HEAD : _HEAD + _NONCE_BYTES], sealed[_HEAD + _NONCE_BYTES :]
        try:
            return Secret(self._cipher.decrypt(nonce, text, _bound(sealed[:_HEAD], place)).decode())
        except InvalidTag:
            raise Tampered(
                "it was changed outside this program, moved from another row, or put back from an older one"
            ) from None


def key_id_of(sealed: bytes) -> bytes:
    """The id of the key that opens it.

    Raises:
        OtherFormat: it is no sealed value of this format.
    """
    version = sealed[0] if sealed else None
    if version is not None and version != FORMAT:
        age = "an older" if version < FORMAT else "a newer"
        raise OtherFormat(f"it is in {age} format ({version}) than this program reads ({FORMAT})")
    if version is None or len(sealed) < _LEAST:
        raise Tampered("it is cut off")
    return sealed[1:_HEAD]


def _bound(head: bytes, place: Place) -> bytes:
    """The associated data. Every piece comes with its length, so that no two places read alike."""
    pieces = (place.table, place.column, place.row, str(place.version), *place.bound)
    return head + b"".join(len(data).to_bytes(4, "big") + data for data in map(str.encode, pieces))

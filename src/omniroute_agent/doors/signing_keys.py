"""The public keys with which an issuer signs its tokens: read when needed, kept a while, never asked for in a flood."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import anyio
import anyio.to_thread
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from omniroute_agent.doors.holders import CannotTell
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.strict_json import BadJson, decode
from omniroute_agent.providers.reading import CannotRead, get_json

FRESH_SECONDS: Final = 600.0
STALE_SECONDS: Final = 86_400.0
"""How long keys are used whose issuer cannot be reached."""
PAUSE_SECONDS: Final = 30.0
"""Between two reads: a token that names an unknown key makes us read, and anybody can write such a token."""
RETRY_SECONDS: Final = 5.0
"""The same after a read that failed, as long as there are no keys at all."""
ANSWER_SECONDS: Final = 5.0
MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
MIN_RSA_BITS: Final = 2048

ALGORITHMS: Final = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Accepted algorithm → kind of key and curve. None works with a shared secret, so no public key can serve as one."""

_READERS: Final[Mapping[str, Callable[[dict[str, Any]], object]]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}

Read = Callable[[], Awaitable[object]]
"""Gives a JSON Web Key Set as JSON. Raises `CannotRead`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    id: str
    kind: str
    curve: str
    algorithm: str
    """The one it is meant for; empty: any that fits."""
    key: Any
    """As the library for tokens takes it."""

    def fits(self, algorithm: str) -> bool:
        return ALGORITHMS[algorithm] == (self.kind, self.curve) and self.algorithm in {"", algorithm}


def from_address(ports: Ports, url: str) -> Read:
    async def read() -> object:
        return await get_json(ports.http, url, seconds=ANSWER_SECONDS, limit=MAX_BYTES)

    return read


def from_file(path: Path) -> Read:
    def content() -> bytes:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)

    async def read() -> object:
        try:
            found = await anyio.to_thread.run_sync(content)
            return decode(found)
        except OSError as error:
            raise CannotRead(f"{path} cannot be read: {error.strerror or error}.") from None
        except BadJson as error:
            raise CannotRead(f"{path} is not JSON: {error}.") from None

    return read


class SigningKeys:
    def __init__(self, read: Read, monotonic: Callable[[], float]) -> None:
        self._read = read
        self._monotonic = monotonic
        self._keys: tuple[SigningKey, ...] = ()
        self._read_at = float("-inf")
        self._not_before = float("-inf")
        self._why = ""
        self._reading = anyio.Lock()
        self.generation = 0
        """Rises whenever the keys are read anew."""

    async def find(self, key_id: str | None, algorithm: str) -> SigningKey | None:
        """The key of that id; without an id the one key that fits. None: the issuer has none.

        Raises:
            CannotTell: the keys cannot be read.
        """
        await self.refresh(older_than=FRESH_SECONDS)
        found = self._among(key_id, algorithm)
        if found is None:
            # The issuer may just have changed its key.
            await self.refresh(older_than=PAUSE_SECONDS)
            found = self._among(key_id, algorithm)
        return found

    async def refresh(self, *, older_than: float) -> None:
        """
        Raises:
            CannotTell: there are no keys, or only very old ones, and new ones cannot be read.
        """
        if self._monotonic() - self._read_at < older_than:
            return
        async with self._reading:
            now = self._monotonic()
            if now - self._read_at < older_than:
                return  # somebody else has read meanwhile
            if now >= self._not_before:
                self._not_before = now + RETRY_SECONDS
                try:
                    self._keys = tuple(_usable(await self._read()))
                    self._read_at = self._monotonic()
                    self.generation += 1
                except CannotRead as error:
                    self._why = str(error)
                    # From here on, for it may have taken its time, and everybody with a token waited meanwhile.
                    self._not_before = self._monotonic() + (PAUSE_SECONDS if self._keys else RETRY_SECONDS)
            if now - self._read_at > STALE_SECONDS:
                raise CannotTell("The keys of the token's issuer cannot be read.", self._why)

    def _among(self, key_id: str | None, algorithm: str) -> SigningKey | None:
        fitting = [key for key in self._keys if key.fits(algorithm) and (key_id is None or key.id == key_id)]
        return fitting[0] if len(fitting) == 1 else None


def _usable(document: object) -> Iterator[SigningKey]:
    """
    Raises:
        CannotRead: it is not a set of keys.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise CannotRead("It is not a set of keys (JWKS).")
    for entry in entries[:MAX_KEYS]:
        if isinstance(entry, dict) and (key := _key(cast("dict[str, Any]", entry))) is not None:
            yield key


def _key(entry: dict[str, Any]) -> SigningKey | None:
    """None for what does not verify signatures: other uses, shared secrets, private and short keys, unknown curves."""
    kind, curve = str(entry.get("kty")), str(entry.get("crv", ""))
    shape = (kind, "" if kind == "RSA" else curve)
    operations = entry.get("key_ops", ["verify"])
    if shape not in ALGORITHMS.values() or "d" in entry:
        return None
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key = _READERS[kind](entry)
    except (InvalidKeyError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        return None
    return SigningKey(
        id=str(entry.get("kid", "")), kind=shape[0], curve=shape[1], algorithm=str(entry.get("alg", "")), key=key
    )

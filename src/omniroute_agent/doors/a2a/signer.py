"""What this agent signs, and the public key by which others check it: its card, and the calls it makes of its own.

ES256 (RFC 7518 §3.4). A card is signed as A2A 1.0 §8.4 says: a detached JWS (RFC 7515) over its canonical JSON
(RFC 8785) without `signatures`.
"""

import base64
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, cast

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm
from pydantic import JsonValue

from omniroute_agent.kernel.secret import Secret

ALGORITHM: Final = "ES256"

_SIGNATURES: Final = "signatures"
_THUMBED: Final = ("crv", "kty", "x", "y")
"""Members of an EC key that its thumbprint is made of, in that order (RFC 7638 §3.2)."""

JsonObject = Mapping[str, JsonValue]


def new_signing_key() -> Secret:
    """A fresh private key, in PEM."""
    key = generate_private_key(SECP256R1())
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"))


class Signer:
    def __init__(self, private_key: Secret) -> None:
        """`private_key` is in PEM, without a password.

        Raises:
            ValueError: it is no key for ES256. The message does not repeat it.
        """
        try:
            key = load_pem_private_key(private_key.reveal().encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("this is no private key in PEM") from None
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError("this is no private key of the curve P-256")  # noqa: TRY004 (what it holds is wrong, not its type)
        self._key = key
        self._algorithm = ECAlgorithm(ECAlgorithm.SHA256)
        public = cast("dict[str, str]", ECAlgorithm.to_jwk(key.public_key(), as_dict=True))
        shape = {name: public[name] for name in _THUMBED}
        self.key_id: Final = _text(sha256(canonical(shape)).digest())
        """The thumbprint of the public key (RFC 7638): whoever knows the key can check that this is its name."""
        self._public: dict[str, JsonValue] = {**shape, "kid": self.key_id, "use": "sig", "alg": ALGORITHM}

    def __repr__(self) -> str:
        return f"Signer({self.key_id})"

    def jwks(self) -> dict[str, JsonValue]:
        """The public key as a set of keys (RFC 7517 §5)."""
        return {"keys": [self._public]}

    def sign(self, claims: Mapping[str, JsonValue]) -> str:
        """A JSON Web Token with these claims and no others, in its compact form."""
        return jwt.encode(dict(claims), self._key, algorithm=ALGORITHM, headers={"kid": self.key_id})

    def sign_card(self, card: JsonObject, jku: str) -> list[JsonValue]:
        """The card's `signatures`. `jku` is where the public key can be read.

        The specification keeps what is empty in the canonical card, the SDKs (Python and JavaScript 1.3) leave it out;
        whoever checks is content with one good signature. So there is one for each, where that makes a difference.
        """
        unsigned = {name: value for name, value in card.items() if name != _SIGNATURES}
        forms = dict.fromkeys((canonical(_without_empty(unsigned)), canonical(unsigned)))
        return [self._signature(form, jku) for form in forms]

    def _signature(self, payload: bytes, jku: str) -> dict[str, JsonValue]:
        protected = _text(canonical({"alg": ALGORITHM, "jku": jku, "kid": self.key_id, "typ": "JOSE"}))
        content = f"{protected}.{_text(payload)}"
        return {"protected": protected, "signature": _text(self._algorithm.sign(content.encode("ascii"), self._key))}


def _without_empty(value: Any) -> Any:
    """JSON without empty texts, lists and objects, and without what is empty then."""
    if isinstance(value, Mapping):
        return {name: kept for name, inner in value.items() if not _empty(kept := _without_empty(inner))}
    if isinstance(value, list | tuple):
        return [kept for inner in value if not _empty(kept := _without_empty(inner))]
    return value


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def canonical(value: Any) -> bytes:
    """JSON in the one form of RFC 8785.

    Raises:
        TypeError: it holds numbers with a point, whose form is a science of its own; cards have none.
    """
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _ordered(value: Any) -> Any:
    """Names in the order of their UTF-16 code units (RFC 8785 §3.2.3)."""
    match value:
        case float():
            raise TypeError("a number with a point has no canonical form here")
        case Mapping():
            return {name: _ordered(value[name]) for name in sorted(value, key=lambda name: name.encode("utf-16-be"))}
        case list() | tuple():
            return [_ordered(inner) for inner in value]
        case _:
            return value


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")

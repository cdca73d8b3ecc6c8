"""An issuer of tokens as tests own it: real keys, a published set of them, and every way to sign."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from fakes import START

URL = "https://issuer.example/"
AUDIENCE = "https://gateway.example/mcp"
JWKS_URL = "https://issuer.example/keys"
NOW = int(START.timestamp())

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


def rsa_key(bits: int = 2048) -> RSAPrivateKey:
    return new_rsa(public_exponent=65537, key_size=bits)


def ec_key() -> EllipticCurvePrivateKey:
    return new_ec(SECP256R1())


def published(key: PrivateKey, **more: Any) -> dict[str, Any]:
    """A public key as an entry of a JWKS."""
    algorithm = (
        RSAAlgorithm
        if isinstance(key, RSAPrivateKey)
        else ECAlgorithm
        if isinstance(key, EllipticCurvePrivateKey)
        else OKPAlgorithm
    )
    entry: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))  # type: ignore[arg-type]  # fits its kind
    entry.pop("key_ops", None)
    return {**entry, **more}


def public_text(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(**changes: Any) -> dict[str, Any]:
    """Of a good token; None takes one away."""
    whole = {
        "iss": URL,
        "aud": AUDIENCE,
        "sub": "alice",
        "exp": NOW + 3600,
        "iat": NOW,
        "scope": "read:health openid profile",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def signed(
    key: PrivateKey,
    said: Mapping[str, Any] | None = None,
    *,
    algorithm: str = "RS256",
    kid: str | None = "one",
    **header: Any,
) -> str:
    head = {**({"kid": kid} if kid is not None else {}), **header}
    return jwt.encode(dict(said if said is not None else claims()), key, algorithm=algorithm, headers=head)


def by_hand(header: Mapping[str, Any], said: object, signature: bytes) -> str:
    """A token no library would write."""
    parts = (json.dumps(header).encode(), json.dumps(said).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_signed(secret: bytes, header: Mapping[str, Any]) -> str:
    """With a secret that everybody knows: the public key."""
    unsigned = by_hand(header, claims(), b"").rsplit(".", 1)[0]
    digest = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@dataclass
class Publisher(httpx2.AsyncBaseTransport):
    """The issuer's server, which counts how often it is asked."""

    keys: list[dict[str, Any]]
    status: int = 200
    body: bytes | None = None
    asked: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        if self.status == 0:
            raise httpx2.ConnectError("unreachable")
        content = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return httpx2.Response(self.status, content=content, headers={"location": "https://evil.example/keys"})

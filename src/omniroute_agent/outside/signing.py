"""Signing with an RSA key, as JSON Web Tokens of algorithm RS256 want it (RFC 7518 §3.3)."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from omniroute_agent.kernel.secret import Secret


def rs256(private_key: Secret, content: bytes) -> bytes:
    """The signature under a PEM key without a password.

    Raises:
        ValueError: it is no such key. The message does not repeat it.
    """
    try:
        key = load_pem_private_key(private_key.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the private key cannot be read") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the private key is no RSA key")  # noqa: TRY004 (what it holds is wrong, not its type)
    return key.sign(content, padding.PKCS1v15(), SHA256())

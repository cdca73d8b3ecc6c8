"""What this agent signs, checked by other people's programs."""

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import jwt
import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.utils._jcs import canonicalize
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from doors.a2a.cards import HERE, new_book, new_signer
from omniroute_agent.doors.a2a.signer import Signer, canonical, new_signing_key
from omniroute_agent.kernel.secret import Secret

Card = dict[str, Any]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def published(signer: Signer) -> dict[str, Any]:
    keys: Any = signer.jwks()["keys"]
    (key,) = keys
    found: dict[str, Any] = key
    return found


def verifier(signer: Signer, jku: str) -> Callable[[Card], None]:
    """The SDK's own, with the key that the card says where to find."""

    def key(kid: str | None, at: str | None) -> jwt.PyJWK:
        assert (kid, at) == (signer.key_id, jku)
        return jwt.PyJWK.from_dict(published(signer))

    check = create_signature_verifier(key, ["ES256"])
    return lambda card: check(parse_agent_card(json.loads(json.dumps(card))))


def test_the_sdk_finds_the_card_signed_with_and_without_the_fields_of_0_3() -> None:
    signer = new_signer()
    book = new_book(signer)
    card = book.card(HERE)
    check = verifier(signer, f"{HERE}/.well-known/jwks.json")
    check(card)
    check(book.merged(card))


def test_a_changed_card_is_found_out() -> None:
    signer = new_signer()
    card = new_book(signer).card(HERE)
    check = verifier(signer, f"{HERE}/.well-known/jwks.json")
    changes: list[Card] = [{"version": "9"}, {"securitySchemes": {}}, {"supportedInterfaces": []}]
    for changed in changes:
        with pytest.raises(InvalidSignaturesError):
            check({**card, **changed})


def test_whoever_keeps_empty_fields_as_the_specification_has_it_finds_a_good_signature_too() -> None:
    signer = new_signer()
    card: Any = new_book(signer).card(HERE)
    unsigned = {name: value for name, value in card.items() if name != "signatures"}
    payload = base64.urlsafe_b64encode(canonicalize(unsigned).encode()).rstrip(b"=").decode()
    key = jwt.PyJWK.from_dict(published(signer))

    def good(signature: dict[str, str]) -> bool:
        try:
            jwt.api_jws.decode(f"{signature['protected']}.{payload}.{signature['signature']}", key, ["ES256"])
        except jwt.InvalidSignatureError:
            return False
        return True

    assert [good(signature) for signature in card["signatures"]] == [False, True]


def test_the_header_of_a_signature_says_how_and_with_which_key() -> None:
    signer = new_signer()
    (signature,) = signer.sign_card({"name": "agent"}, f"{HERE}/keys")
    assert isinstance(signature, dict)
    header = json.loads(base64.urlsafe_b64decode(f"{signature['protected']}=="))
    assert header == {"alg": "ES256", "kid": signer.key_id, "typ": "JOSE", "jku": f"{HERE}/keys"}


def test_a_token_says_what_it_was_given_and_nothing_else() -> None:
    signer = new_signer()
    token = signer.sign({"iss": HERE, "sub": "task-1", "iat": 1, "exp": 2})
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": signer.key_id, "typ": "JWT"}
    key = jwt.PyJWK.from_dict(published(signer))
    found = jwt.decode(token, key, ["ES256"], options={"verify_exp": False})
    assert found == {"iss": HERE, "sub": "task-1", "iat": 1, "exp": 2}


def test_the_keys_name_is_its_thumbprint_and_nothing_private_is_published() -> None:
    signer = new_signer()
    key = published(signer)
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    shape = f'{{"crv":"P-256","kty":"EC","x":"{key["x"]}","y":"{key["y"]}"}}'
    assert key["kid"] == base64.urlsafe_b64encode(sha256(shape.encode()).digest()).rstrip(b"=").decode()


def test_a_signer_does_not_print_its_key() -> None:
    key = new_signing_key()
    assert repr(Signer(key)) == f"Signer({Signer(key).key_id})"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "no key",
        generate_private_key(SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        new_rsa(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    ],
    ids=["nothing", "text", "P-384", "RSA"],
)
def test_another_kind_of_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="this is no private key") as refused:
        Signer(Secret(key))
    assert not key or key not in str(refused.value)


@given(JSON)
def test_the_canonical_form_is_the_one_of_the_sdk(value: object) -> None:
    assert canonical(value).decode() == canonicalize(value)


def test_a_number_with_a_point_is_not_signed() -> None:
    with pytest.raises(TypeError, match="point"):
        canonical({"a": 0.5})

"""Whether an agent card is signed, and by whom: checked with keys from nowhere but the card's own server."""

import base64
import json
from typing import Any, Final

from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import SignatureVerificationError, create_signature_verifier
from google.protobuf.json_format import ParseError
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from omniroute_agent.cli.a2a_agent import Agent, Wire
from omniroute_agent.cli.failures import CommandFailed
from omniroute_agent.cli.page import harmless
from omniroute_agent.doors.signing_keys import ALGORITHMS
from omniroute_agent.outside.addresses import origin_of

_JWKS: Final = "/.well-known/jwks.json"
_BAD: Final = "bad_signature"


async def signed_by(agent: Agent, card: Wire) -> str:
    """The name of the key that signed it.

    Raises:
        CommandFailed: nothing that can be trusted did.
    """
    headers = [header for header in map(_header, card.get("signatures") or ()) if header is not None]
    if not headers:
        raise CommandFailed("The card is not signed.", code=_BAD)
    if not agent.place.secure:
        raise CommandFailed(
            "Whoever sits on the way could change the card and its keys alike: give an https address.", code=_BAD
        )
    keys = await _keys(agent, headers[0])
    named = {header["kid"] for header in headers if header.get("kid") in keys}

    def key(kid: str | None, _jku: str | None) -> PyJWK:
        return keys[kid or ""]

    try:
        create_signature_verifier(key, list(ALGORITHMS))(parse_agent_card(json.loads(json.dumps(card))))
    except (SignatureVerificationError, PyJWTError, ParseError, KeyError, ValueError, RecursionError):
        raise CommandFailed(
            "The card's signature is not good: it was changed after it was signed, or signed with another key.",
            "Do not trust it before you know why.",
            _BAD,
        ) from None
    return harmless(", ".join(sorted(named)))


def _header(signature: Any) -> Wire | None:
    try:
        text = signature["protected"]
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("kid"), str) else None


async def _keys(agent: Agent, header: Wire) -> dict[str, PyJWK]:
    """
    Raises:
        CommandFailed: they lie elsewhere, or cannot be read.
    """
    at = origin_of(agent.place.base)
    url = header.get("jku") or f"{agent.place.base}{_JWKS}"
    try:
        elsewhere = origin_of(str(url)) != at
    except ValueError:
        elsewhere = True
    if elsewhere:
        raise CommandFailed(
            f"The card says its keys lie at {harmless(str(url))[:200]}, which is another server: anybody could have "
            "signed it.",
            code=_BAD,
        )
    document = await agent.read(str(url))
    entries = document.get("keys") if isinstance(document, dict) else None
    found: dict[str, PyJWK] = {}
    for entry in entries if isinstance(entries, list) else ():
        try:
            found[str(entry["kid"])] = PyJWK.from_dict(entry)
        except (PyJWTError, KeyError, TypeError, ValueError):
            continue
    return found

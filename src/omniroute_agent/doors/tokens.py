"""Bearer tokens of the one issuer the owner trusts: JSON Web Tokens, checked here and passed on to nobody.

RFC 9068 and RFC 8725 are the rules; the address from which keys come is the owner's setting, whatever a token says of
`jku` or `x5u`.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from re import compile as pattern
from typing import Any, Final

import jwt
from jwt.types import Options

from omniroute_agent.doors.challenge import Issuer
from omniroute_agent.doors.holders import Holder, NotRecognised
from omniroute_agent.doors.signing_keys import ALGORITHMS, FRESH_SECONDS, SigningKeys
from omniroute_agent.kernel.scopes import known_scopes

MAX_TOKEN: Final = 8192
"""Characters; a token is sent with every request."""
LEEWAY_SECONDS: Final = 30.0
"""How far the issuer's clock may be off."""
MOST_REMEMBERED: Final = 1024

_TYPES: Final = frozenset(("jwt", "at+jwt", "application/at+jwt"))
_COMPACT: Final = pattern(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_PLAIN: Final = pattern(r"[A-Za-z0-9._@|+-]{1,64}")
_CHECKS: Final[Options] = {
    "require": ["exp", "iss", "aud"],
    # The library would ask the system's clock; these are checked here.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


class Tokens:
    def __init__(self, issuer: Issuer, keys: SigningKeys, now: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._keys = keys
        self._now = now
        self._checked: OrderedDict[bytes, tuple[int, Holder]] = OrderedDict()
        """Tokens whose signature was good, by digest, with the generation of keys it was checked by."""

    def ours(self, presented: bytes) -> bool:
        return presented.startswith(b"ey") and presented.count(b".") >= 2  # noqa: PLR2004 (header.claims.signature)

    async def find(self, presented: bytes) -> Holder:
        """
        Raises:
            NotRecognised: it is no token for this server, or not any more.
            CannotTell: the issuer's keys cannot be read.
        """
        if len(presented) > MAX_TOKEN:
            raise NotRecognised(f"The token is longer than {MAX_TOKEN} characters.")
        digest = sha256(presented).digest()
        known = self._checked.get(digest)
        if known is not None:
            # Its signing key may have been withdrawn since.
            await self._keys.refresh(older_than=FRESH_SECONDS)
        if known is not None and known[0] == self._keys.generation and not self._over(known[1]):
            return known[1]
        holder = await self._verified(presented)
        self._checked[digest] = (self._keys.generation, holder)
        while len(self._checked) > MOST_REMEMBERED:
            self._checked.popitem(last=False)
        return holder

    async def _verified(self, presented: bytes) -> Holder:
        """
        Raises:
            NotRecognised, CannotTell: as `find`.
        """
        if _COMPACT.fullmatch(presented) is None:
            raise NotRecognised("The token is not signed as it should be.")
        try:
            token = presented.decode("ascii")
            header = jwt.get_unverified_header(token)
            algorithm, key_id = _named(header)
            key = await self._keys.find(key_id, algorithm)
            if key is None:
                raise NotRecognised("The token is signed with a key that its issuer does not publish.")
            claims = jwt.decode(
                token,
                key=key.key,
                algorithms=[algorithm],
                audience=self._issuer.audience,
                issuer=self._issuer.url,
                options=_CHECKS,
            )
        except jwt.InvalidAudienceError:
            raise NotRecognised("The token is for another server: its audience is not this one.") from None
        except jwt.InvalidIssuerError:
            raise NotRecognised("The token comes from another issuer.") from None
        except jwt.MissingRequiredClaimError as error:
            raise NotRecognised(f"The token has no claim `{error.claim}`.") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError):
            # What the library says may quote the token.
            raise NotRecognised("The token is not signed as it should be.") from None
        return self._holder(claims)

    def _holder(self, claims: Mapping[str, Any]) -> Holder:
        """
        Raises:
            NotRecognised: it is not good now, or names nobody.
        """
        now = self._now().timestamp()
        until = _moment(claims, "exp")
        begins = max((_moment(claims, name) for name in ("nbf", "iat") if name in claims), default=now)
        holder = Holder(id=_subject(claims), scopes=_scopes(claims), until=until + LEEWAY_SECONDS)
        if self._over(holder):
            # A time that no calendar holds is long over, too.
            raise NotRecognised(f"The token expired{_on(until)}.", "Get a new one from its issuer.")
        if begins > now + LEEWAY_SECONDS:
            raise NotRecognised("The token is not good yet.")
        return holder

    def _over(self, holder: Holder) -> bool:
        return holder.until is not None and holder.until <= self._now().timestamp()


def _named(header: Mapping[str, Any]) -> tuple[str, str | None]:
    """Algorithm and key of a token, off its header.

    Raises:
        NotRecognised: nothing that is accepted here.
    """
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise NotRecognised(f"The token is not signed with one of {', '.join(ALGORITHMS)}.")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or "crit" in header:
        raise NotRecognised("The token is no plain access token.")
    if key_id is not None and not isinstance(key_id, str):
        raise NotRecognised("The token names no key.")
    return algorithm, key_id


def _moment(claims: Mapping[str, Any], name: str) -> float:
    """
    Raises:
        NotRecognised: the claim is no time.
    """
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotRecognised(f"The token's `{name}` is no time.")
    return float(value)


def _subject(claims: Mapping[str, Any]) -> str:
    """The caller's id: the same for every token of one subject, and never one of a key or of the owner.

    Raises:
        NotRecognised: it names nobody.
    """
    for name in ("sub", "client_id", "azp"):
        subject = claims.get(name)
        if isinstance(subject, str) and subject:
            plain = _PLAIN.fullmatch(subject) is not None
            return f"token:{subject}" if plain else f"token#{sha256(subject.encode()).hexdigest()[:32]}"
    raise NotRecognised("The token names nobody (`sub`).")


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Those of our scopes that it grants; an issuer may serve others, whose words mean nothing here."""
    said = claims.get("scope", claims.get("scp", ""))
    words = said.split() if isinstance(said, str) else said if isinstance(said, list) else ()
    return known_scopes(word for word in words if isinstance(word, str))


def _on(epoch: float) -> str:
    try:
        return f" on {datetime.fromtimestamp(epoch, UTC):%Y-%m-%d at %H:%M UTC}"
    except (ValueError, OverflowError, OSError):
        return ""

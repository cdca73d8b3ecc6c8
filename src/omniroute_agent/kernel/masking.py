"""Secrets out of texts that are kept or shown: every secret this process holds, and whatever looks like one."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

from omniroute_agent.kernel.secret import Secret, living_secrets

MASK: Final = "***"
SHORTEST: Final = 8
"""Characters; to mask shorter values everywhere would garble texts and hide nothing."""
BEGINNING: Final = 12
"""Characters of a secret by which a part of it is told from ordinary text."""
_LONGEST_FOUND: Final = 4096
"""Characters; nothing that only looks like a secret is taken to be longer."""
_WIDEST: Final = 12
"""Characters that one character of a secret takes at most in any of its forms."""

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL
)
_SCHEME: Final = re.compile(r"\b(bearer|basic)(\s+)(?=\S*[\d=])[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"\b((?:x-)?(?:api[-_]?key|authorization|access[-_]?token|refresh[-_]?token|client[-_]?secret|password|passwd))"
    r"""(\\?["']?\s*[:=]\s*\\?["']?)(?:(?:bearer|basic)\s+)?[^\s"',&;\\]{6,}""",
    re.IGNORECASE,
)
# Callers write what is looked through here: no place of a text may be looked at from all the places before it. So the
# look ahead of a key that may begin inside another run has an end, and a run without one begins inside no other.
_KEY_LIKE: Final = re.compile(
    r"""(?x) \b (?:
        (?: sk | pk | rk | key | gsk | xai | or | hf | r8 | pplx | nvapi | csk | fw | tgp | orak | omk | ork | orbh
          | gh[oprsu] | github_pat | glpat | xox[abeprs] )
        [-_] (?= [A-Za-z_*-]{0,64}\d ) [A-Za-z0-9_*-]{8,}
      | AIza [A-Za-z0-9_-]{20,}
      | AKIA [A-Z0-9]{16}
      | (?<! - ) eyJ [A-Za-z0-9_-]{8,} \. [A-Za-z0-9_-]{8,} \. [A-Za-z0-9_-]*
    )"""
)
_USER_INFO: Final = re.compile(r"(://)[^/\s:@]+(?::[^/\s@]*)?@")


def masked(text: str, secrets: Iterable[Secret] | None = None) -> str:
    """`text` with `***` in the place of every secret: as it is, escaped for JSON or a URL, in base64 or hex, or its
    beginning only. `secrets` are all that live, unless given.
    """
    for value in _values(living_secrets() if secrets is None else secrets):
        for form in _forms(value):
            text = text.replace(form, MASK)
        text = _without_beginning(text, value)
    text = _PRIVATE_KEY.sub(MASK, text)
    text = _SCHEME.sub(rf"\1\2{MASK}", text)
    text = _NAMED.sub(rf"\1\2{MASK}", text)
    text = _KEY_LIKE.sub(MASK, text)
    return _USER_INFO.sub(rf"\1{MASK}@", text)


def masked_beginning(text: str, length: int) -> str:
    """The first `length` characters of `masked(text)`, or less where much of it is secret, and `…` behind them where
    something is left out. What comes long after them is not looked at.
    """
    longest = max((len(secret.reveal()) for secret in living_secrets()), default=0)
    margin = max(_LONGEST_FOUND, _WIDEST * longest)
    window = 2 * length + margin
    if len(text) > window:
        # What was cut in two stands at the end, wherever that is now: it goes with the margin.
        return f"{masked(text[:window])[:-margin][:length]}…"
    shown = masked(text)
    return shown if len(shown) <= length else f"{shown[:length]}…"


def _values(secrets: Iterable[Secret]) -> list[str]:
    """The longest first: one may be a part of another."""
    values = {value for secret in secrets if len(value := secret.reveal()) >= SHORTEST}
    return sorted(values, key=lambda value: (-len(value), value))


def _forms(value: str) -> Iterator[str]:
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value)
    yield quote(value, safe="")
    yield quote_plus(value)
    raw = value.encode("utf-8", "surrogatepass")
    yield raw.hex()
    yield raw.hex().upper()
    for shift in range(3):
        yield from _base64(raw, shift)


def _base64(raw: bytes, shift: int) -> Iterator[str]:
    """What base64 makes of the value when it begins at that place of a group of three bytes, without the characters
    that its neighbours have a share in.
    """
    length = len(raw) + shift
    begin, end = (0, 2, 3)[shift], length // 3 * 4
    for encode in (b64encode, urlsafe_b64encode):
        if len(form := encode(bytes(shift) + raw).decode()[begin:end]) >= SHORTEST:
            yield form


def _without_beginning(text: str, value: str) -> str:
    """Cut-off copies of the value, such as a provider repeats them."""
    beginning = value[:BEGINNING]
    if len(value) <= BEGINNING or beginning not in text:
        return text
    before, *pieces = text.split(beginning)
    rest = value[BEGINNING:]
    return before + "".join(MASK + piece[_shared(piece, rest) :] for piece in pieces)


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))

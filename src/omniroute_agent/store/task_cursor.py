"""Where a list of tasks goes on. A cursor names the last row of its page, so that a page costs the same however deep it
is, and holds for its owner and filters only.

Its check keeps mistakes out, not people: whoever forges one still gets nothing but tasks of their own.
"""

import struct
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from omniroute_agent.kernel.errors import InvalidRequest

_CHECK: Final = 16
"""Bytes."""
_TIME: Final = struct.Struct(">d")
_LONGEST: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Whose tasks, and which of them; None does not narrow."""

    owner: str
    context_id: str | None = None
    state: str | None = None
    after: float | None = None
    """Status of then or later; UTC epoch seconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """The sort key of a row."""

    status_at: float
    id: str


FIRST: Final = Place(sys.float_info.max, "")
"""Before every row."""


def cursor_of(place: Place, sought: Sought) -> str:
    said = _TIME.pack(place.status_at) + place.id.encode()
    return urlsafe_b64encode(_check(said, sought) + said).rstrip(b"=").decode()


def place_in(cursor: str, sought: Sought) -> Place:
    """
    Raises:
        InvalidRequest: it is none of ours, or of another list.
    """
    place = _place(cursor, sought)
    # Decoding forgives letters that are none of its own; another text for the same place is not ours.
    if place is None or cursor_of(place, sought) != cursor:
        raise InvalidRequest(
            "That cursor does not belong to this list.",
            hint="Use the one of the page before with the same filters, or leave it out.",
        )
    return place


def _place(cursor: str, sought: Sought) -> Place | None:
    if len(cursor) > _LONGEST:
        return None
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        check, said = raw[:_CHECK], raw[_CHECK:]
        if not compare_digest(check, _check(said, sought)):
            return None
        (status_at,) = _TIME.unpack_from(said)
        return Place(status_at, said[_TIME.size :].decode())
    except (ValueError, struct.error):
        return None


def _check(said: bytes, sought: Sought) -> bytes:
    digest = sha256()
    for part in (
        sought.owner.encode(),
        repr(sought.context_id).encode(),
        repr(sought.state).encode(),
        repr(sought.after).encode(),
        said,
    ):
        # Its length first: no two lists of parts read the same.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()[:_CHECK]

"""Which extra headers an owner may send to a provider."""

import re
from collections.abc import Mapping
from typing import Final

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
"""A token of RFC 9110 §5.6.2."""
_MAX_VALUE: Final = 8192

FORBIDDEN: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("authorization", "x-api-key", "x-goog-api-key"),
        "carries the key; give the key as a key, and it goes into the right header",
    ),
    **dict.fromkeys(
        ("proxy-authorization", "proxy-authenticate"), "belongs to the proxy; put its password into the proxy's address"
    ),
    # Hop by hop: RFC 9110 §7.6.1.
    **dict.fromkeys(
        ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"),
        "belongs to the network connection",
    ),
    **dict.fromkeys(
        (
            *("host", "content-length", "content-type", "content-encoding"),
            *("accept", "accept-encoding", "expect", "range"),
        ),
        "is set with the request itself",
    ),
    **dict.fromkeys(("cookie", "set-cookie"), "would carry a session along; providers are called without one"),
}
"""Lower-case names that may not be added, and why, as the rest of a sentence."""


def header_fault(name: str, value: str = "") -> str | None:
    """Why this header may not be sent, as the rest of a sentence; None when it may. Never repeats the value."""
    if not _NAME.fullmatch(name):
        return "is not a header name"
    if not value.isascii() or not value.isprintable() or len(value) > _MAX_VALUE:
        return "has a value that is no plain ASCII text of one line"
    return FORBIDDEN.get(name.lower())

"""Browsers: which pages may use this server, and what their scripts may send and read (the CORS protocol)."""

import re
from collections.abc import Sequence
from typing import Final

from starlette.types import Message, Send

from omniroute_agent.doors.access import Headers

_METHODS: Final = b"GET, POST, DELETE, OPTIONS"
_EXPOSED: Final = b"Mcp-Session-Id, WWW-Authenticate, Retry-After"
_MAX_AGE: Final = b"600"
_ALLOWED: Final = re.compile(
    r"accept|authorization|content-type|last-event-id|mcp-(?:method|name|protocol-version|session-id)|"
    r"mcp-param-[a-z0-9_-]{1,64}|x-api-key|x-session-id",
)


def listed(origins: Sequence[bytes], allowed: frozenset[str]) -> bytes | None:
    """The one Origin header, if it is on the owner's list."""
    return origins[0] if len(origins) == 1 and origins[0].decode("latin-1") in allowed else None


def is_preflight(method: str, headers: Headers) -> bool:
    return method == "OPTIONS" and b"access-control-request-method" in headers


async def answer_preflight(headers: Headers, send: Send) -> None:
    """What may be sent: the headers asked for as far as they are known here. Needs no key: browsers send none."""
    asked = b",".join(headers.get(b"access-control-request-headers", ())).decode("latin-1").lower()
    allowed = [name for name in map(str.strip, asked.split(",")) if _ALLOWED.fullmatch(name)]
    answer = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", ", ".join(allowed).encode("latin-1")),
        (b"access-control-max-age", _MAX_AGE),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})


def readable_by(origin: bytes, send: Send) -> Send:
    """`send` that lets scripts of this origin read the answer, an error's too."""
    added = [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"Origin"),
    ]

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return told

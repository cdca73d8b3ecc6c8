"""Where the agent card and the public key are found. Open to everybody who may reach this server."""

from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from omniroute_agent.doors.a2a.card import JWKS_PATH, CardBook, Printed
from omniroute_agent.doors.gate import PEER
from omniroute_agent.doors.refusal import Refusal

CARD_PATH: Final = "/.well-known/agent-card.json"
OLD_CARD_PATH: Final = "/.well-known/agent.json"
CARD_PATHS: Final = frozenset((CARD_PATH, OLD_CARD_PATH, JWKS_PATH))
"""Fit for anybody: there is nothing on them that a caller does not need before it has a key."""

_FRESH: Final = (b"cache-control", b"public, max-age=300")
_ALLOW: Final = ((b"allow", b"GET, HEAD"),)

Headers = Sequence[tuple[bytes, bytes]]
Choose = Callable[[Scope], Printed]


def card_routes(book: CardBook, since: datetime) -> list[BaseRoute]:
    """`since` is when what is on the card became so: the start of the process."""
    modified = format_datetime(since, usegmt=True).encode()
    jwks = Printed(body=book.jwks, etag=f'"{book.key_id}"'.encode())

    def newest(scope: Scope) -> Printed:
        # Also for those who say that they speak 1.0: an SDK for JavaScript reads a card without the fields of 0.3 in a
        # way that its own check of the signature then fails (@a2a-js/sdk 1.3.0, tried 2026-11-21).
        shelf = book.shelf(book.base(scope[PEER]))
        return shelf.modern if book.strict else shelf.merged

    return [
        Route(CARD_PATH, _Page(newest, modified)),
        Route(OLD_CARD_PATH, _Page(lambda scope: book.shelf(book.base(scope[PEER])).original, modified)),
        Route(JWKS_PATH, _Page(lambda _: jwks, modified)),
    ]


class _Page:
    """Sends what is ready, without anything of the framework in between: many ask before every call."""

    def __init__(self, choose: Choose, modified: bytes) -> None:
        self._choose = choose
        self._modified = modified

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method not in ("GET", "HEAD"):
            refusal = Refusal(405, "method_not_allowed", f"Only GET is served at {scope['path']}.", headers=_ALLOW)
            await refusal.send(send)
            return
        page = self._choose(scope)
        told = [(b"etag", page.etag), (b"last-modified", self._modified), _FRESH]
        if self._known(scope["headers"], page):
            await send({"type": "http.response.start", "status": 304, "headers": told})
            await send({"type": "http.response.body", "body": b""})
            return
        length = (b"content-length", str(len(page.body)).encode())
        headers = [(b"content-type", b"application/json"), length, *told]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else page.body})

    def _known(self, headers: Headers, page: Printed) -> bool:
        """Whether the reader has it already (RFC 9110 §13.1.2 and §13.1.3, the day compared by its text)."""
        tags = [value for name, value in headers if name == b"if-none-match"]
        if tags:
            opaque = page.etag.removeprefix(b"W/")
            named = [tag.strip().removeprefix(b"W/") for tag in b",".join(tags).split(b",")]
            return opaque in named or b"*" in named
        return any(name == b"if-modified-since" and value.strip() == self._modified for name, value in headers)

"""Requests of the modern era whose client wants no word before the answer: served without a stream being held ready.

On the wire they look as the SDK's own way lets them look: one JSON document or, after a long silence, an event stream
that comments keep alive and whose one event is the answer. What is saved is two tasks and a channel for each of them,
which cost as much as all the rest of a short call.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import anyio
from mcp_types import LOG_LEVEL_META_KEY, JSONRPCRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WATCH_AFTER: Final = 0.01
"""Seconds after which somebody looks whether the client is still there. Most requests are answered by then."""
SILENT_SECONDS: Final = 15.0
"""The longest that nothing is sent: a proxy might take the connection for dead."""

_LISTENS: Final = "subscriptions/listen"
_SPEAKS: Final = ("progressToken", LOG_LEVEL_META_KEY)
_STREAM: Final[Message] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-cache, no-transform"),
        (b"connection", b"keep-alive"),
        (b"x-accel-buffering", b"no"),
    ],
}
_COMMENT: Final[Message] = {"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True}


def wants_no_word(request: JSONRPCRequest) -> bool:
    """Whether nothing may be sent but the answer: neither progress nor log lines, and no subscription."""
    meta = (request.params or {}).get("_meta")
    return request.method != _LISTENS and isinstance(meta, Mapping) and not any(name in meta for name in _SPEAKS)


class Quiet:
    def __init__(self, app: ASGIApp) -> None:
        """`app` reads one body and answers with one document; it need not notice that its client leaves."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        unread = [await receive()]

        async def posted() -> Message:
            return unread.pop() if unread else await receive()

        exchange = _Exchange(receive, send)
        try:
            with exchange.wanted:
                await self._app(scope, posted, exchange.answer)
        finally:
            exchange.rest()


class _Exchange:
    """One request while it runs: who looks whether its client is still there, and how the answer goes out."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._soon = asyncio.get_running_loop().call_later(WATCH_AFTER, self._begin)
        self._watching: asyncio.Task[None] | None = None
        self._streams = False
        self.wanted = anyio.CancelScope()
        """Cancelled when the client has left."""

    def rest(self) -> None:
        """Watch no more."""
        self._soon.cancel()
        if self._watching is not None:
            self._watching.cancel()

    async def answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.rest()
            if self._watching is not None:
                await asyncio.wait((self._watching,))  # two may not send at once
            if not self._streams:
                await self._send(message)
        elif self._streams:
            event = b"event: message\r\ndata: %b\r\n\r\n" % message["body"]
            await self._send({"type": "http.response.body", "body": event})
        else:
            await self._send(message)

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())  # noqa: TID251 (it ends with the request, by `rest`)

    async def _watch(self) -> None:
        while True:
            with anyio.move_on_after(SILENT_SECONDS):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
                self.wanted.cancel()
                return
            if not self._streams:
                await self._send(_STREAM)
                self._streams = True
            await self._send(_COMMENT)

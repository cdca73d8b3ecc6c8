"""The HTTP protocol with an end to patience: uvicorn itself waits for ever for a request to come in.

A request that comes in one piece, as nearly all do, starts no clock for its body.
"""

import asyncio
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS: Final = 15.0
"""From the first byte of a request, or from the connection, to the end of its headers."""
BODY_SECONDS: Final = 120.0
"""From there to the end of its body."""
HEADER_BYTES: Final = 64 * 1024
MOST_CONNECTIONS: Final = 2000
"""At the same time; those that only listen hold one each."""

_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Impatient(HttpToolsProtocol):
    header_seconds: ClassVar[float] = HEADER_SECONDS
    body_seconds: ClassVar[float] = BODY_SECONDS
    most_connections: ClassVar[int] = MOST_CONNECTIONS

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._clock: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._unheard = 0
        """Bytes since the parser last told of headers that ended, of a body, or of its end: it keeps them all."""
        self._told = False
        self._in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.abort()
        else:
            self._wait(self.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._told = False
        super().data_received(data)
        self._unheard = 0 if self._told else self._unheard + len(data)
        if self._unheard > HEADER_BYTES:
            self.transport.abort()
        if self._in_body:
            self._wait(self.body_seconds)

    def on_message_begin(self) -> None:
        self._header_bytes = 0
        self._wait(self.header_seconds)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._told = True
        self._rest()
        if not self.transport.is_closing():
            self._in_body = True
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._told = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._told = True
        self._in_body = False
        self._rest()
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES:
            self.transport.abort()

    def _wait(self, seconds: float) -> None:
        if self._clock is None and not self.transport.is_closing():
            self._clock = self.loop.call_later(seconds, self._give_up)

    def _rest(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _give_up(self) -> None:
        self._clock = None
        if self._in_body and not (self.cycle.response_started or self.transport.is_closing()):
            self.transport.write(_TOO_SLOW)
            self.transport.close()
        elif not self.transport.is_closing():
            self.transport.abort()


def impatient(header_seconds: float, body_seconds: float) -> type[Impatient]:
    """The protocol with this much patience, as uvicorn takes it."""
    return type("Impatient", (Impatient,), {"header_seconds": header_seconds, "body_seconds": body_seconds})

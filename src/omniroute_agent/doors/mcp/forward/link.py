"""One kept-alive connection to the gateway, for one exchange at a time."""

import http.client
import json
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

_PATH: Final = "/mcp"
_CONNECT_SECONDS: Final = 2.0
_BOTH_KINDS: Final = "application/json, text/event-stream"


class LinkBroken(Exception):
    """The gateway cannot be reached, or left in the middle of an answer."""


@dataclass(frozen=True, slots=True)
class Told:
    """One message of the gateway."""

    line: bytes
    """As it came, without a line break."""
    value: dict[str, Any]
    """What it says."""


class Answer:
    """The answer to one request, read as it comes."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.session = response.headers.get("mcp-session-id")

    def messages(self) -> Iterator[Told]:
        """The JSON objects in it.

        Raises:
            LinkBroken: it ended before its end, or is something else.
        """
        try:
            if self._response.headers.get_content_type() == "text/event-stream":
                yield from map(_told, self._events())
            elif body := self._response.read():
                yield _told(body)
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            raise LinkBroken(str(error)) from error

    def _events(self) -> Iterator[bytes]:
        data: list[bytes] = []
        for line in self._response:
            stripped = line.rstrip(b"\r\n")
            if stripped.startswith(b"data:"):
                data.append(stripped[5:].removeprefix(b" "))
            elif not stripped and data:
                yield b"".join(data)  # line breaks stand only between the tokens of a message
                data.clear()


def _told(message: bytes) -> Told:
    """
    Raises:
        ValueError, RecursionError: it is no JSON.
        LinkBroken: it is no object.
    """
    value = json.loads(message)
    if not isinstance(value, dict):
        raise LinkBroken("an answer that is no JSON object")
    return Told(message if b"\n" not in message else json.dumps(value).encode(), value)


class Link:
    def __init__(self, host: str, port: int, headers: Mapping[str, str]) -> None:
        """`headers` go with every request."""
        self._connection = http.client.HTTPConnection(host, port, timeout=_CONNECT_SECONDS)
        self._headers = dict(headers)

    def open(self) -> None:
        """Be connected. A connection that the gateway has closed meanwhile is made anew.

        Raises:
            LinkBroken: nobody listens there.
        """
        if self._connection.sock is not None and not self._went_away():
            return
        self.close()
        try:
            self._connection.connect()
        except OSError as error:
            self.close()
            raise LinkBroken(str(error)) from error
        # An answer may take its time; who gave up on it cuts the link.
        self.within(None)

    def _went_away(self) -> bool:
        """Between two exchanges nothing comes in but the end."""
        readable, _, _ = select.select([self._connection.sock], [], [], 0)
        return bool(readable)

    def ask(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send a request and wait until its answer begins; the answer must be read to its end before the next one.

        Raises:
            LinkBroken: the gateway left.
        """
        kinds = {"Accept": _BOTH_KINDS, **({} if body is None else {"Content-Type": "application/json"})}
        try:
            self._connection.request(method, _PATH, body, {**kinds, **self._headers, **headers})
            return Answer(self._connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            raise LinkBroken(str(error)) from error

    def within(self, seconds: float | None) -> None:
        """Wait no longer than that for each piece of what comes; None for as long as it takes."""
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)

    def cut(self) -> None:
        """End the exchange under way, from any thread: whoever reads its answer finds it broken."""
        open_socket = self._connection.sock
        if open_socket is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()

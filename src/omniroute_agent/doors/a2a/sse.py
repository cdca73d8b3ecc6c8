"""A stream of events over HTTP: one JSON document each, and a comment whenever nothing was said for a while.

Who leaves ends its stream only; what the stream tells of goes on.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
from starlette.types import Receive, Send

HEARTBEAT_SECONDS: Final = 15.0
_HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # Without it some proxies keep events until they have a page of them.
    (b"x-accel-buffering", b"no"),
]

Wire = dict[str, Any]


def encode(document: Wire) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


async def send_events(
    receive: Receive,
    send: Send,
    following: Callable[[], Awaitable[Wire | None]],
    *,
    heartbeat: float,
    comment: Callable[[], str] = lambda: "ping",
    error_events: bool = False,
) -> None:
    """Send what `following` gives until it gives None, or until the client leaves. `following` may be given up. With
    `error_events` a document with an `error` is an event of that name.
    """
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        while True:
            document: Wire | None = None
            with anyio.move_on_after(heartbeat) as waiting:
                document = await following()
            if waiting.cancelled_caught:
                await _piece(send, f": {comment()}\n\n".encode())
            elif document is None:
                break
            else:
                name = b"event: error\n" if error_events and "error" in document else b""
                await _piece(send, name + b"data: " + encode(document) + b"\n\n")
        group.cancel_scope.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _piece(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})

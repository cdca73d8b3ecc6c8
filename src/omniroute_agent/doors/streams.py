"""Requests that only listen: they would last for ever, so somebody must be able to end them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniroute_agent.doors.holders import Holder

LISTEN: Final = "omniroute.listen"
"""Key of the ASGI scope under which `Listen` stands, for a door that finds out later that a request only listens."""

Listen = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]

_GONE: Final[Message] = {"type": "http.disconnect"}


@dataclass(frozen=True, slots=True)
class _Open:
    holder: Holder
    subscription: bool
    """What it tells was settled when it began, by what its holder might read then."""


class OpenStreams:
    def __init__(self) -> None:
        self._open: dict[anyio.Event, _Open] = {}

    def end(self, over: Callable[[Holder], bool], *, subscriptions: bool = False) -> None:
        """End those whose holder is no longer to listen; of all streams, or of `subscriptions` alone."""
        for ending, each in self._open.items():
            if (each.subscription or not subscriptions) and over(each.holder):
                ending.set()

    async def listen(
        self,
        holder: Holder,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        subscription: bool = False,
    ) -> None:
        """Run the app; once the stream is ended from here, it sees a disconnect and the client a clean end."""
        ending = anyio.Event()
        open_body = False

        async def watched(message: Message) -> None:
            nonlocal open_body
            open_body = message["type"] == "http.response.start" or bool(message.get("more_body"))
            await send(message)

        self._open[ending] = _Open(holder, subscription)
        try:
            await app(scope, _until(ending, receive), watched)
        finally:
            del self._open[ending]
        if open_body and ending.is_set():
            await send({"type": "http.response.body", "body": b""})


def _until(ending: anyio.Event, receive: Receive) -> Receive:
    async def receive_or_end() -> Message:
        message = _GONE

        async def end() -> None:
            await ending.wait()
            race.cancel_scope.cancel()

        async with anyio.create_task_group() as race:
            race.start_soon(end)
            message = await receive()
            race.cancel_scope.cancel()
        return message

    return receive_or_end

"""How many sessions of the handshake era one caller holds open: each costs memory until it is closed or forgotten."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniroute_agent.doors.gate import CALLER
from omniroute_agent.doors.idle import IDLE_SECONDS
from omniroute_agent.doors.refusal import Refusal
from omniroute_agent.kernel.caller import Caller

_SESSION: Final = b"mcp-session-id"
_GONE: Final = 404


@dataclass(slots=True)
class _Open:
    caller: str
    under_way: int
    rested_at: float


class OpenSessions:
    """One that rests for half an hour is closed by the transport and not counted any more."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._open: dict[str, _Open] = {}
        self._opening: dict[str, int] = {}

    @contextmanager
    def opening(self, caller: str) -> Iterator[None]:
        """Room for one more session, for as long as the request lasts.

        Raises:
            Refusal: the caller has as many as it may.
        """
        before = self._monotonic() - IDLE_SECONDS
        self._open = {
            name: session for name, session in self._open.items() if session.under_way or session.rested_at > before
        }
        held = sum(session.caller == caller for session in self._open.values()) + self._opening.get(caller, 0)
        if held >= self._most:
            raise Refusal(
                429,
                "too_many_sessions",
                f"This key has {held} sessions open, which is the most it may have.",
                "Close one with DELETE, or wait until one has rested for half an hour.",
                ((b"retry-after", b"60"),),
            )
        self._opening[caller] = self._opening.get(caller, 0) + 1
        try:
            yield
        finally:
            self._opening[caller] -= 1
            if not self._opening[caller]:
                del self._opening[caller]

    def opened(self, name: str, caller: str) -> None:
        self._open[name] = _Open(caller, 0, self._monotonic())

    def closed(self, name: str, caller: str) -> None:
        """Nobody's business but its own caller's."""
        if (session := self._open.get(name)) is not None and session.caller == caller:
            del self._open[name]

    @contextmanager
    def used(self, name: str, caller: str) -> Iterator[None]:
        session = self._open.get(name)
        if session is None or session.caller != caller:
            yield
            return
        session.under_way += 1
        try:
            yield
        finally:
            session.under_way -= 1
            session.rested_at = self._monotonic()


class Counted:
    """Streamable HTTP with its sessions counted. Requests of the modern era belong to none."""

    def __init__(self, app: ASGIApp, sessions: OpenSessions, *, sessionless: Callable[[Scope], bool]) -> None:
        self._app = app
        self._sessions = sessions
        self._sessionless = sessionless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller = scope[CALLER]
        name = next((value.decode("latin-1") for key, value in scope["headers"] if key == _SESSION), None)
        if self._sessionless(scope) or (name is None and scope["method"] != "POST"):
            await self._app(scope, receive, send)
        elif name is None:
            try:
                with self._sessions.opening(caller.id):
                    await self._app(scope, receive, self._watching(send, caller.id))
            except Refusal as refusal:
                await refusal.send(send)
        else:
            with self._sessions.used(name, caller.id):
                await self._app(scope, receive, self._ending(scope, send, name, caller.id))

    def _watching(self, send: Send, caller_id: str) -> Send:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:  # noqa: PLR2004 (HTTP)
                for key, value in message["headers"]:
                    if key == _SESSION:
                        self._sessions.opened(value.decode("latin-1"), caller_id)
            await send(message)

        return watched

    def _ending(self, scope: Scope, send: Send, name: str, caller_id: str) -> Send:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                deleted = scope["method"] == "DELETE" and message["status"] < 400  # noqa: PLR2004 (HTTP)
                if deleted or message["status"] == _GONE:
                    self._sessions.closed(name, caller_id)
            await send(message)

        return watched

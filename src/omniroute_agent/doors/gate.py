"""The outermost layer of everything HTTP: who may come in, decided before any framework sees the request.

Closed by default: every path needs a key, also those that do not exist. Paths are read from `scope["path"]`, never
from a URL that a Host header could bend (CVE-2026-48710).
"""

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from omniroute_agent.doors.access import Access, Headers, Peer, headers_of, peer_of
from omniroute_agent.doors.challenge import METADATA_PATHS, Issuer, challenge
from omniroute_agent.doors.cors import answer_preflight, is_preflight, listed, readable_by
from omniroute_agent.doors.holders import CannotTell, Holder, Holders, NotRecognised
from omniroute_agent.doors.hosts import host_allowed, origin_allowed
from omniroute_agent.doors.idle import IdleSessions
from omniroute_agent.doors.limits import InboundLimits, Turnstile
from omniroute_agent.doors.refusal import Refusal, send_json
from omniroute_agent.doors.streams import LISTEN, OpenStreams
from omniroute_agent.kernel.caller import OWNER_ID, Caller
from omniroute_agent.kernel.ports import Ports

CALLER: Final = "omniroute.caller"
"""Key of the ASGI scope under which the `Caller` stands for the doors behind."""
PEER: Final = "omniroute.peer"
"""The same for the `Peer`."""

Advice = Callable[[Headers], tuple[str, ...]]
"""What a request says in its headers → the scopes it would need."""

DOOR_HEADER: Final = b"x-omniroute-door"
WINDOW_DOOR: Final = "mcp-stdio"

_SESSION: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DISCOVERY: Final = ("/.well-known/oauth-", "/.well-known/openid-configuration")
_POLICY_VIOLATION: Final = 1008
_NAMES: Final = "Use http://127.0.0.1, or have the owner add the name to `[server] hosts`."
_SOON: Final = ((b"retry-after", b"5"),)


def _no_advice(_: Headers) -> tuple[str, ...]:
    return ()


def _door(headers: Headers, holder: Holder) -> str | None:
    """What a window of the owner says of itself. Of nobody else it is believed: the books show who came in where."""
    named = headers.get(DOOR_HEADER, ())
    return WINDOW_DOOR if holder.id == OWNER_ID and list(named) == [WINDOW_DOOR.encode()] else None


class Gate:
    """Checks Host, Origin, credential and limits, then hands the request on with its `Caller`."""

    def __init__(
        self,
        app: ASGIApp,
        holders: Holders,
        ports: Ports,
        *,
        access: Access | None = None,
        issuer: Issuer | None = None,
        limits: InboundLimits | None = None,
        open_paths: frozenset[str] = frozenset(),
        advice: Advice = _no_advice,
        closing: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`open_paths` need no credential: what they serve must be fit for anybody who reaches this server. `advice`
        names the scopes that somebody without a credential should ask for. `closing` is called when the server is told
        to stop.
        """
        self._app = app
        self._holders = holders
        self._access = access or Access()
        self._issuer = issuer
        self._open_paths = open_paths
        self._advice = advice
        self._now = ports.now
        self._idle = IdleSessions(ports.monotonic, ports.new_id)
        self._turnstile = Turnstile(limits or InboundLimits(), ports.monotonic)
        self._streams = OpenStreams()
        self._closing = closing
        self._closed = False

    @property
    def lets_anyone_in(self) -> bool:
        return self._holders.anyone is not None

    @property
    def only_by_proxy(self) -> bool:
        return self._access.only_by_proxy

    def close(self) -> None:
        """Let nobody in any more and end the streams that only listen, so that a stopping server need not wait."""
        if not self._closed:
            for close in self._closing:
                close()
        self._closed = True
        self._streams.end(lambda _: True)

    def end_streams(self, good: Callable[[Holder], bool]) -> None:
        """End the streams of those who might not come in any more."""
        now = self._now().timestamp()
        self._streams.end(lambda holder: not good(holder) or (holder.until is not None and holder.until <= now))

    def end_subscriptions(self, unnarrowed: Callable[[Holder], bool]) -> None:
        """End what was subscribed to by those who may not do any more all that they might then."""
        self._streams.end(lambda holder: not unnarrowed(holder), subscriptions=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        headers = headers_of(scope)
        if (page := listed(headers.get(b"origin", ()), self._access.origins)) is not None:
            send = readable_by(page, send)
        try:
            peer = self._reach(headers, scope, on_list=page is not None)
            if page is not None and is_preflight(scope["method"], headers):
                await answer_preflight(headers, send)
            elif scope["path"].startswith(_DISCOVERY):
                await self._discover(scope, peer, send)
            elif scope["path"] in self._open_paths:
                scope[PEER] = peer
                await self._app(scope, receive, send)
            else:
                await self._pass(scope, headers, peer, receive, send)
        except Refusal as refusal:
            await refusal.send(send)

    async def _pass(self, scope: Scope, headers: Headers, peer: Peer, receive: Receive, send: Send) -> None:
        """
        Raises:
            Refusal: the request may not come in.
        """
        holder = await self._holder(headers, peer)
        session = self._session(headers, holder)
        if (wait := self._turnstile.enter(holder.id)) is not None:
            later = (b"retry-after", str(math.ceil(wait)).encode())
            raise Refusal(429, "too_many_requests", "This key asks too much at once.", "Slow down.", (later,))
        try:
            scope[CALLER] = Caller(
                id=holder.id, scopes=holder.scopes, session=session, view=holder.view, door=_door(headers, holder)
            )
            scope[PEER] = peer
            scope[LISTEN] = partial(self._streams.listen, holder, subscription=True)
            if scope["method"] == "GET":
                await self._streams.listen(holder, self._app, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            self._turnstile.leave(holder.id)

    def _reach(self, headers: Headers, scope: Scope, *, on_list: bool) -> Peer:
        """
        Raises:
            Refusal: not from there, not under this name, or not for this page.
        """
        if self._closed:
            raise Refusal(
                503, "stopping", "The server is stopping.", "Try again in a moment.", ((b"connection", b"close"),)
            )
        peer = peer_of(scope, headers, self._access)
        if self._access.only_by_proxy and peer.direct:
            raise Refusal(403, "not_direct", "This server is reached through its proxy only.")
        if not host_allowed(headers.get(b"host", ()), self._access.hosts):
            raise Refusal(421, "wrong_host", "The Host header names no host of this server.", _NAMES)
        if not (on_list or origin_allowed(headers.get(b"origin", ()), self._access.hosts)):
            raise Refusal(403, "wrong_origin", "Pages of this origin may not use this server.")
        return peer

    async def _discover(self, scope: Scope, peer: Peer, send: Send) -> None:
        """
        Raises:
            Refusal: there is nothing to discover.
        """
        if self._issuer is None or scope["path"] not in METADATA_PATHS or scope["method"] not in ("GET", "HEAD"):
            hint = "Send a key as a bearer token." if self._issuer is None else f"Its issuer is {self._issuer.url}."
            raise Refusal(404, "not_found", "There is no OAuth server here.", hint)
        await send_json(send, 200, self._issuer.metadata(peer), ((b"cache-control", b"max-age=3600"),))

    async def _holder(self, headers: Headers, peer: Peer) -> Holder:
        """
        Raises:
            Refusal: there is no credential, it opens nothing, or several do not agree.
        """
        presented = [each[7:] for each in headers.get(b"authorization", ()) if each[:7].lower() == b"bearer "]
        presented += headers.get(b"x-api-key", ())
        if not presented:
            if self._holders.anyone is not None:
                return self._holders.anyone
            raise self._unauthorized(headers, peer, NotRecognised("A key is needed."))
        try:
            found = [await self._holders.find(each) for each in presented]
        except NotRecognised as unknown:
            raise self._unauthorized(headers, peer, unknown, error="invalid_token") from None
        except CannotTell as unable:
            raise Refusal(503, "unavailable", unable.message, unable.hint, _SOON) from None
        # Several credentials must agree: otherwise two layers could each read another one.
        if any(other.id != found[0].id for other in found[1:]):
            raise self._unauthorized(headers, peer, NotRecognised("The keys sent do not agree."), error="invalid_token")
        return found[0]

    def _unauthorized(self, headers: Headers, peer: Peer, why: NotRecognised, *, error: str = "") -> Refusal:
        hint = why.hint or "Send a key as `Authorization: Bearer KEY` or `x-api-key: KEY`."
        said = challenge(peer, self._issuer, error=error, scopes=self._advice(headers))
        return Refusal(401, "unauthorized", why.message, hint, (said,))

    def _session(self, headers: Headers, holder: Holder) -> str:
        """
        Raises:
            Refusal: the name of the session is none.
        """
        named = headers.get(b"x-session-id")
        if not named:
            return self._idle.name(holder.id)
        session = named[0].decode("latin-1")
        if len(named) > 1 or not _SESSION.fullmatch(session):
            raise Refusal(
                400, "invalid_request", "X-Session-Id must be at most 64 of the characters A-Z a-z 0-9 _ . and -."
            )
        return session

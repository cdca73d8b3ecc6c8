"""The outermost layer of everything HTTP: who may come in, decided before any framework sees the request.

Closed by default: every path needs a key, also those that do not exist. Paths are read from `scope["path"]`, never
from a URL that a Host header could bend (CVE-2026-48710).
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniroute_agent.doors.hosts import LOOPBACK, host_allowed, origin_allowed
from omniroute_agent.doors.idle import IdleSessions
from omniroute_agent.doors.limits import InboundLimits, Turnstile
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.secret import Secret

CALLER: Final = "omniroute.caller"
"""Key of the ASGI scope under which the `Caller` stands for the doors behind."""

_SESSION: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DISCOVERY: Final = ("/.well-known/oauth-", "/.well-known/openid-configuration")
_GONE: Final[Message] = {"type": "http.disconnect"}
_POLICY_VIOLATION: Final = 1008


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whom a key stands for."""

    id: str
    scopes: frozenset[str]


def key_digest(key: Secret) -> bytes:
    """The form in which keys are stored and compared."""
    return sha256(key.reveal().encode()).digest()


class Refusal(Exception):
    """An answer given before any door: a status and a JSON body in the house's words."""

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.headers = headers

    async def send(self, send: Send) -> None:
        error = {"code": self.code, "message": self.message, "hint": self.hint}
        await send_json(send, self.status, json.dumps({"error": error}).encode(), self.headers)


async def send_json(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    every = [(b"content-type", b"application/json"), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": body})


class Gate:
    """Checks Host, Origin, key and limits, then hands the request on with its `Caller`."""

    def __init__(
        self,
        app: ASGIApp,
        keys: Mapping[bytes, Holder],
        ports: Ports,
        *,
        anyone: Holder | None = None,
        hosts: frozenset[str] = LOOPBACK,
        limits: InboundLimits | None = None,
    ) -> None:
        """`keys` maps `key_digest` to holder. `anyone` is who comes in without a key: for loopback tests only."""
        self._app = app
        self._keys = dict(keys)
        self._anyone = anyone
        self._hosts = hosts
        self._idle = IdleSessions(ports.monotonic, ports.new_id)
        self._turnstile = Turnstile(limits or InboundLimits(), ports.monotonic)
        self._closing = anyio.Event()

    def close(self) -> None:
        """Let nobody in any more and end the streams that only listen, so that a stopping server need not wait."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            try:
                holder = self._admit(scope)
            except Refusal as refusal:
                await refusal.send(send)
                return
            try:
                if scope["method"] == "GET":
                    await self._listen(scope, receive, send)
                else:
                    await self._app(scope, receive, send)
            finally:
                self._turnstile.leave(holder.id)

    async def _listen(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A GET, which only listens: once the gate closes, the app sees a disconnect and the client a clean end."""
        open_body = False

        async def watched(message: Message) -> None:
            nonlocal open_body
            open_body = message["type"] == "http.response.start" or bool(message.get("more_body"))
            await send(message)

        await self._app(scope, self._ending(receive), watched)
        if open_body and self._closing.is_set():
            await send({"type": "http.response.body", "body": b""})

    def _admit(self, scope: Scope) -> Holder:
        """
        Raises:
            Refusal: the request may not come in.
        """
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        if self._closing.is_set():
            raise Refusal(
                503, "stopping", "The server is stopping.", "Try again in a moment.", ((b"connection", b"close"),)
            )
        if not host_allowed(headers.get(b"host", ()), self._hosts):
            raise Refusal(421, "wrong_host", "The Host header names no host of this server.", "Use http://127.0.0.1.")
        if not origin_allowed(headers.get(b"origin", ()), self._hosts):
            raise Refusal(403, "wrong_origin", "Pages of this origin may not use this server.")
        if scope["path"].startswith(_DISCOVERY):
            raise Refusal(404, "not_found", "There is no OAuth here.", "Send the owner's key as a bearer token.")
        holder = self._holder(headers)
        session = self._session(headers, holder)
        if (wait := self._turnstile.enter(holder.id)) is not None:
            later = (b"retry-after", str(math.ceil(wait)).encode())
            raise Refusal(429, "too_many_requests", "This key asks too much at once.", "Slow down.", (later,))
        scope[CALLER] = Caller(id=holder.id, scopes=holder.scopes, session=session)
        return holder

    def _holder(self, headers: dict[bytes, list[bytes]]) -> Holder:
        presented = [each[7:] for each in headers.get(b"authorization", ()) if each[:7].lower() == b"bearer "]
        presented += headers.get(b"x-api-key", ())
        found = {self._known(key) for key in presented}
        # Several credentials must agree: otherwise two layers could each read another one.
        if len(found) == 1 and (holder := found.pop()) is not None:
            return holder
        if self._anyone is not None and not presented:
            return self._anyone
        challenge = b'Bearer realm="omniroute-agent"' + (b', error="invalid_token"' if presented else b"")
        raise Refusal(
            401,
            "unauthorized",
            "The key is not known here." if presented else "A key is needed.",
            "Send the owner's key as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
            ((b"www-authenticate", challenge),),
        )

    def _known(self, key: bytes) -> Holder | None:
        """Compares with every key, whatever is found, so that time tells nothing."""
        digest = sha256(key.strip()).digest()
        found: Holder | None = None
        for known, holder in self._keys.items():
            if compare_digest(digest, known):
                found = holder
        return found

    def _session(self, headers: dict[bytes, list[bytes]], holder: Holder) -> str:
        named = headers.get(b"x-session-id")
        if not named:
            return self._idle.name(holder.id)
        session = named[0].decode("latin-1")
        if len(named) > 1 or not _SESSION.fullmatch(session):
            raise Refusal(
                400, "invalid_request", "X-Session-Id must be at most 64 of the characters A-Z a-z 0-9 _ . and -."
            )
        return session

    def _ending(self, receive: Receive) -> Receive:
        async def receive_or_end() -> Message:
            message = _GONE

            async def closing() -> None:
                await self._closing.wait()
                race.cancel_scope.cancel()

            async with anyio.create_task_group() as race:
                race.start_soon(closing)
                message = await receive()
                race.cancel_scope.cancel()
            return message

        return receive_or_end

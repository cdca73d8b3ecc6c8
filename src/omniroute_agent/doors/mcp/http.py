"""MCP over HTTP: streamable HTTP at `/mcp` for both eras, HTTP+SSE at `/sse` for clients of the handshake era."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, cast

import anyio.to_thread
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_loop
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniroute_agent.doors.gate import CALLER, Gate, Holder, Refusal, send_json
from omniroute_agent.doors.idle import IDLE_SECONDS
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.mcp.envelope import MAX_MESSAGE, BadMessage, read_message
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.ports import Ports

DOOR: Final = "mcp-http"
SSE_DOOR: Final = "mcp-sse"

_WHERE: Final = "MCP is at /mcp, for old clients at /sse."
_MAX_SESSIONS: Final = 1000
_SSE_SESSION: Final = re.compile(rb"(?:^|&)session_id=([0-9a-f]{32})(?:&|$)")
_OFF_LOOP: Final = 1024 * 1024
_BOTH_KINDS: Final = b"application/json, text/event-stream"
_JSON_KINDS: Final = (b"application/json", b"application/*", b"*/*")

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


def http_app(
    servers: Callable[[str], Server[Any]],
    keys: Mapping[bytes, Holder],
    ports: Ports,
    *,
    anyone: Holder | None = None,
    limits: InboundLimits | None = None,
    routes: Sequence[BaseRoute] = (),
    lifespans: Sequence[Lifespan] = (),
) -> Gate:
    """The whole HTTP side as one ASGI app, the gate outermost.

    `servers` makes the MCP server of a door (`mcp-http`, `mcp-sse`), with `caller_of` as its `who`. `keys` maps
    `gate.key_digest` to whom the key stands for; `anyone` is who comes in without one, for loopback tests. Other doors
    bring their `routes` and `lifespans`.
    """
    manager = StreamableHTTPSessionManager(
        app=servers(DOOR),
        session_idle_timeout=IDLE_SECONDS,
        max_sessions=_MAX_SESSIONS,
        max_request_body_size=MAX_MESSAGE,
    )
    streamable = _Strict(_Owned(StreamableHTTPASGIApp(manager)))
    sse = SseServerTransport("/messages/", max_request_body_size=MAX_MESSAGE)
    listen = _Owned(_Listen(servers(SSE_DOOR), sse))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for other in lifespans:
                await stack.enter_async_context(other())
            await stack.enter_async_context(manager.run())
            yield

    app = Starlette(
        routes=[
            Route("/mcp", endpoint=streamable),
            Route("/mcp/", endpoint=streamable),
            Route("/sse", endpoint=listen),
            Route("/sse/", endpoint=listen),
            Mount("/messages", app=_Strict(_Owned(sse.handle_post_message))),
            *routes,
        ],
        lifespan=lifespan,
    )
    # No redirects between `/x` and `/x/`: they would be built from the Host header and lose some clients' bodies.
    app.router.redirect_slashes = False
    app.router.default = _nothing_here
    return Gate(app, keys, ports, anyone=anyone, limits=limits)


def caller_of(ctx: ServerRequestContext[Any, Any]) -> Caller:
    """The caller the gate identified; a legacy MCP session names the session its calls count in."""
    scope = cast("Request", ctx.request).scope
    caller: Caller = scope[CALLER]
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return caller  # that era has no sessions, whatever the headers say
    session = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"mcp-session-id"), None)
    if session is None and (found := _SSE_SESSION.search(scope["query_string"])):
        session = found[1].decode("ascii")
    return replace(caller, session=session) if session else caller


async def _nothing_here(scope: Scope, _receive: Receive, send: Send) -> None:
    await Refusal(404, "not_found", f"There is nothing at {scope['path'][:100]}.", _WHERE).send(send)


class _Listen:
    """Opens the stream of an HTTP+SSE client. The transport's other half takes what the client posts."""

    def __init__(self, server: Server[Any], transport: SseServerTransport) -> None:
        self._server = server
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            # Clients that try streamable HTTP first take this as the sign to fall back.
            allow = ((b"allow", b"GET"),)
            await Refusal(405, "method_not_allowed", "Only GET is served at /sse.", _WHERE, allow).send(send)
            return
        async with self._transport.connect_sse(scope, receive, send) as (read, write):
            await serve_loop(self._server, read, write, lifespan_state={})


class _Owned:
    """Tells the SDK whose sessions these are: a session answers only to the key that opened it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller = scope[CALLER]
        await self._app({**scope, "user": _user(caller.id)}, receive, send)


@lru_cache(maxsize=256)
def _user(caller_id: str) -> AuthenticatedUser:
    return AuthenticatedUser(AccessToken(token="", client_id=caller_id, scopes=[]))


class _Strict:
    """Reads a posted body whole and refuses what is not one JSON-RPC message before the SDK sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            _expect_json(scope)
            body = await _whole(scope, receive)
            if body is None:
                return
            if len(body) > _OFF_LOOP:
                await anyio.to_thread.run_sync(read_message, body)
            else:
                read_message(body)
        except Refusal as refusal:
            await refusal.send(send)
            return
        except BadMessage as bad:
            await send_json(send, 400, bad.reply())
            return
        await self._app({**scope, "headers": _plain(scope["headers"])}, _replayed(body, receive), send)


def _expect_json(scope: Scope) -> None:
    """
    Raises:
        Refusal: the body is not plain JSON in UTF-8.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    kinds = [value.lower() for name, value in headers if name == b"content-type"]
    kind, _, rest = (kinds[0] if len(kinds) == 1 else b"").partition(b";")
    charset = rest.replace(b" ", b"").replace(b'"', b"")
    encoded = any(name == b"content-encoding" and value.lower() != b"identity" for name, value in headers)
    if kind.strip() != b"application/json" or charset not in (b"", b"charset=utf-8") or encoded:
        raise Refusal(415, "invalid_request", "The body must be application/json in UTF-8, not compressed.")


async def _whole(scope: Scope, receive: Receive) -> bytes | None:
    """The body; None when the client left while sending.

    Raises:
        Refusal: it is longer than `MAX_MESSAGE`.
    """
    too_large = Refusal(413, "invalid_request", f"The body is larger than {MAX_MESSAGE // 1024 // 1024} MiB.")
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if declared.isdigit() and int(declared) > MAX_MESSAGE:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_MESSAGE:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def _plain(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers as the SDK expects them.

    Without the white space around values, which is no part of them (RFC 9110 §5.5) but which the HTTP parser leaves at
    their end. With an Accept that names both kinds, because the SDK wants both; plain scripts name none, or JSON.
    """
    trimmed = [(name, value.strip(b" \t")) for name, value in headers]
    accepted = b",".join(value for name, value in trimmed if name == b"accept").lower()
    if accepted and not any(kind in accepted for kind in _JSON_KINDS):
        return trimmed
    return [*((name, value) for name, value in trimmed if name != b"accept"), (b"accept", _BOTH_KINDS)]

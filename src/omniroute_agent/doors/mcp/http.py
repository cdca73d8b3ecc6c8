"""MCP over HTTP: streamable HTTP at `/mcp` for both eras, HTTP+SSE at `/sse` for clients of the handshake era."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import lru_cache
from typing import Any, Final, cast

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_loop
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from omniroute_agent.doors.access import Access
from omniroute_agent.doors.challenge import Issuer
from omniroute_agent.doors.gate import CALLER, Gate
from omniroute_agent.doors.holders import Credentials, Holder, Holders
from omniroute_agent.doors.idle import IDLE_SECONDS
from omniroute_agent.doors.keybook import KeyBook
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.mcp.envelope import MAX_MESSAGE
from omniroute_agent.doors.mcp.needs import Needs
from omniroute_agent.doors.mcp.posted import Posted, caller_in, is_modern
from omniroute_agent.doors.mcp.quiet import Quiet
from omniroute_agent.doors.mcp.sessions import Counted, OpenSessions
from omniroute_agent.doors.mcp.telling import ListFollowers
from omniroute_agent.doors.mcp.witness import Refused
from omniroute_agent.doors.refusal import Refusal
from omniroute_agent.doors.watch import Changed, watching
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.ports import Ports

DOOR: Final = "mcp-http"
SSE_DOOR: Final = "mcp-sse"

_WHERE: Final = "MCP is at /mcp, for old clients at /sse."
_MAX_SESSIONS: Final = 1000

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


def http_app(
    servers: Callable[[str], Server[Any]],
    keys: Mapping[bytes, Holder],
    ports: Ports,
    *,
    book: KeyBook | None = None,
    credentials: Sequence[Credentials] = (),
    anyone: Holder | None = None,
    access: Access | None = None,
    issuer: Issuer | None = None,
    limits: InboundLimits | None = None,
    needs: Needs | None = None,
    routes: Sequence[BaseRoute] = (),
    open_paths: frozenset[str] = frozenset(),
    lifespans: Sequence[Lifespan] = (),
    closing: Sequence[Callable[[], None]] = (),
    changed: Sequence[Changed] = (),
    refused: Refused | None = None,
) -> Gate:
    """The whole HTTP side as one ASGI app, the gate outermost.

    `servers` makes the MCP server of a door (`mcp-http`, `mcp-sse`), with `caller_of` as its `who`. `keys` maps
    `holders.key_digest` to whom the key stands for, `book` and `credentials` know others; `anyone` is who comes in
    without one, for loopback tests. `needs` tells which scopes a message takes. Other doors bring their `routes`, the
    paths among them that are open to everybody, `lifespans`, and what is to be called when the server is told to stop
    (`closing`); `changed` hears of callers whose grant changed, `refused` of calls whose caller lacks a scope.
    """
    bounds = limits or InboundLimits()
    asked = needs or Needs()
    manager = StreamableHTTPSessionManager(
        app=servers(DOOR),
        session_idle_timeout=IDLE_SECONDS,
        max_sessions=_MAX_SESSIONS,
        max_request_body_size=MAX_MESSAGE,
    )
    sessions = OpenSessions(bounds.sessions, ports.monotonic)
    followers = ListFollowers()
    sse_server = servers(SSE_DOOR)
    for server in (manager.app, sse_server):
        _follow_lists(server, followers)
    counted = Counted(_Owned(StreamableHTTPASGIApp(manager)), sessions, sessionless=is_modern)
    outright = StreamableHTTPSessionManager(app=manager.app, json_response=True, max_request_body_size=MAX_MESSAGE)
    quiet = Quiet(_Owned(StreamableHTTPASGIApp(outright)))
    streamable = Posted(counted, bounds, asked, issuer, quiet=quiet, refused=refused)
    sse = SseServerTransport("/messages/", max_request_body_size=MAX_MESSAGE)
    listen = _Owned(_Listen(sse_server, sse, sessions))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for other in lifespans:
                await stack.enter_async_context(other())
            await stack.enter_async_context(manager.run())
            await stack.enter_async_context(outright.run())
            if book is not None:
                told = (followers.tell_changed, *changed)
                await stack.enter_async_context(watching(gate, book, ports, told))
            yield

    app = Starlette(
        routes=[
            Route("/mcp", endpoint=streamable),
            Route("/mcp/", endpoint=streamable),
            Route("/sse", endpoint=listen),
            Route("/sse/", endpoint=listen),
            # A client of that transport hears only from its stream: the tool itself tells it what it lacks.
            Mount("/messages", app=Posted(_Owned(sse.handle_post_message), bounds, Needs(), issuer)),
            *routes,
        ],
        lifespan=lifespan,
    )
    # No redirects between `/x` and `/x/`: they would be built from the Host header and lose some clients' bodies.
    app.router.redirect_slashes = False
    app.router.default = _nothing_here
    gate = Gate(
        _Quickly({"/mcp": streamable, "/mcp/": streamable}, app),
        Holders(keys, (*(() if book is None else (book,)), *credentials), anyone=anyone),
        ports,
        access=access,
        issuer=issuer,
        limits=bounds,
        open_paths=open_paths,
        advice=asked.of_headers,
        closing=closing,
    )
    return gate


def caller_of(ctx: ServerRequestContext[Any, Any]) -> Caller:
    """The caller the gate identified; a legacy MCP session names the session its calls count in."""
    return caller_in(cast("Request", ctx.request).scope, modern=ctx.protocol_version in MODERN_PROTOCOL_VERSIONS)


def _follow_lists(server: Server[Any], followers: ListFollowers) -> None:
    """Promise the clients of the handshake era word of a changed list, and remember who wants it."""

    async def follow(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        answer = await call_next(ctx)
        if ctx.method == "tools/list" and ctx.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:
            followers.add(ctx.session, caller_of(ctx).id)
        elif ctx.method == "initialize" and isinstance(answer, dict):
            able = cast("dict[str, Any]", answer.get("capabilities", {}))
            tools = {**able.get("tools", {}), "listChanged": True}
            return {**answer, "capabilities": {**able, "tools": tools}}
        return answer

    server.middleware.append(follow)


async def _nothing_here(scope: Scope, _receive: Receive, send: Send) -> None:
    await Refusal(404, "not_found", f"There is nothing at {scope['path'][:100]}.", _WHERE).send(send)


class _Quickly:
    """Goes straight to the apps that most requests are for: the framework's way there costs as much as a tool."""

    def __init__(self, apps: Mapping[str, ASGIApp], others: ASGIApp) -> None:
        self._apps = apps
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._apps.get(scope["path"], self._others) if scope["type"] == "http" else self._others
        await app(scope, receive, send)


class _Listen:
    """Opens the stream of an HTTP+SSE client. The transport's other half takes what the client posts."""

    def __init__(self, server: Server[Any], transport: SseServerTransport, sessions: OpenSessions) -> None:
        self._server = server
        self._transport = transport
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            # Clients that try streamable HTTP first take this as the sign to fall back.
            allow = ((b"allow", b"GET"),)
            await Refusal(405, "method_not_allowed", "Only GET is served at /sse.", _WHERE, allow).send(send)
            return
        caller: Caller = scope[CALLER]
        try:
            with self._sessions.opening(caller.id):
                async with self._transport.connect_sse(scope, receive, send) as (read, write):
                    await serve_loop(self._server, read, write, lifespan_state={})
        except Refusal as refusal:
            await refusal.send(send)


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

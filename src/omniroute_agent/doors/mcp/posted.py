"""What is posted to MCP, before the SDK sees it: read whole and strictly, and refused where a scope is missing."""

import json
import re
from dataclasses import replace
from typing import Final

import anyio.to_thread
from mcp_types import JSONRPCMessage, JSONRPCRequest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniroute_agent.doors.access import Headers, headers_of
from omniroute_agent.doors.body import whole_body
from omniroute_agent.doors.challenge import Issuer, challenge
from omniroute_agent.doors.gate import CALLER, PEER
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.mcp.envelope import BadMessage, read_message
from omniroute_agent.doors.mcp.needs import Needs
from omniroute_agent.doors.mcp.quiet import wants_no_word
from omniroute_agent.doors.mcp.witness import Refused
from omniroute_agent.doors.refusal import Refusal, send_json
from omniroute_agent.doors.streams import LISTEN, Listen
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.scopes import missing

NOT_ALLOWED: Final = -32003
"""JSON-RPC code of a call that needs scopes its caller lacks; from the range that is ours (-32019 to -32000)."""

_CALLS: Final = "tools/call"
_LISTENS: Final = "subscriptions/listen"
_OFF_LOOP: Final = 1024 * 1024
_BOTH_KINDS: Final = b"application/json, text/event-stream"
_SSE_SESSION: Final = re.compile(rb"(?:^|&)session_id=([0-9a-f]{32})(?:&|$)")
_JSON_KINDS: Final = (b"application/json", b"application/*", b"*/*")


class Posted:
    """Reads a posted body whole and refuses what is not one JSON-RPC message, or not its caller's to send."""

    def __init__(
        self,
        app: ASGIApp,
        limits: InboundLimits,
        needs: Needs,
        issuer: Issuer | None,
        *,
        quiet: ASGIApp | None = None,
        refused: Refused | None = None,
    ) -> None:
        """`quiet` takes those requests of the modern era that `wants_no_word` tells; `refused` hears of every call of a
        tool that is refused here.
        """
        self._app = app
        self._quiet = quiet or app
        self._limits = limits
        self._needs = needs
        self._issuer = issuer
        self._hears_refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            headers = headers_of(scope)
            _expect_json(headers)
            body = await whole_body(headers, receive, self._limits.body_bytes)
            if body is None:
                return
            message = await _read(body)
        except Refusal as refusal:
            await refusal.send(send)
            return
        except BadMessage as bad:
            await send_json(send, 400, bad.reply())
            return
        if isinstance(message, JSONRPCRequest) and await self._refused(message, scope, send):
            return
        inner = {**scope, "headers": _plain(scope["headers"])}
        if isinstance(message, JSONRPCRequest) and message.method == _LISTENS:
            listen: Listen = scope[LISTEN]
            await listen(self._app, inner, _replayed(body, receive), send)
        elif isinstance(message, JSONRPCRequest) and is_modern(inner) and wants_no_word(message):
            await self._quiet(inner, _replayed(body, receive), send)
        else:
            await self._app(inner, _replayed(body, receive), send)

    async def _refused(self, message: JSONRPCRequest, scope: Scope, send: Send) -> bool:
        """Answer a request whose caller lacks scopes.

        With the scopes it holds beside those it lacks: a client asks its issuer for just what is named here, and would
        lose the others.
        """
        caller: Caller = scope[CALLER]
        lacking = missing(caller.scopes, self._needs.of_message(message))
        if not lacking:
            return False
        wanted = sorted({*lacking, *caller.scopes})
        said = challenge(scope[PEER], self._issuer, error="insufficient_scope", scopes=wanted)
        text = f"This needs the scope{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}."
        hint = "Ask the owner for a key with it." if self._issuer is None else "Get a token with it."
        error = {
            "code": NOT_ALLOWED,
            "message": f"{text} {hint}",
            "data": {"code": "not_allowed", "missing": list(lacking)},
        }
        reply = {"jsonrpc": "2.0", "id": message.id, "error": error}
        await send_json(send, 403, json.dumps(reply).encode(), (said,))
        if self._hears_refused is not None and message.method == _CALLS:
            await self._hears_refused(caller_in(scope, modern=is_modern(scope)), message.params or {})
        return True


def caller_in(scope: Scope, *, modern: bool) -> Caller:
    """The caller the gate identified, in the session its request names."""
    caller: Caller = scope[CALLER]
    if modern:
        return caller  # that era has no sessions, whatever the headers say
    if caller.door is not None:
        return caller  # a window is a session, however often it shakes hands
    session = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"mcp-session-id"), None)
    if session is None and (found := _SSE_SESSION.search(scope["query_string"])):
        session = found[1].decode("ascii")
    return replace(caller, session=session) if session else caller


def is_modern(scope: Scope) -> bool:
    """As the SDK decides it: by the header alone, and unknown versions go the modern way."""
    version = next((value for name, value in scope["headers"] if name == b"mcp-protocol-version"), None)
    return version is not None and version.decode("latin-1") not in HANDSHAKE_PROTOCOL_VERSIONS


async def _read(body: bytes) -> JSONRPCMessage:
    """
    Raises:
        BadMessage: it is not one JSON-RPC message.
    """
    if len(body) > _OFF_LOOP:
        return await anyio.to_thread.run_sync(read_message, body)
    return read_message(body)


def _expect_json(headers: Headers) -> None:
    """
    Raises:
        Refusal: the body is not plain JSON in UTF-8.
    """
    kinds = headers.get(b"content-type", ())
    kind, _, rest = (kinds[0].lower() if len(kinds) == 1 else b"").partition(b";")
    charset = rest.replace(b" ", b"").replace(b'"', b"")
    encoded = any(value.lower() != b"identity" for value in headers.get(b"content-encoding", ()))
    if kind.strip() != b"application/json" or charset not in (b"", b"charset=utf-8") or encoded:
        raise Refusal(415, "invalid_request", "The body must be application/json in UTF-8, not compressed.")


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

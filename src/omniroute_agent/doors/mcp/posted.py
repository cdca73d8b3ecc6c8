"""What is posted to MCP, before the SDK sees it: read whole and strictly, and refused where a scope is missing."""

import json
from typing import Final

import anyio.to_thread
from mcp_types import JSONRPCMessage, JSONRPCRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniroute_agent.doors.challenge import Issuer, challenge
from omniroute_agent.doors.gate import CALLER, PEER
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.mcp.envelope import BadMessage, read_message
from omniroute_agent.doors.mcp.needs import Needs
from omniroute_agent.doors.refusal import Refusal, send_json
from omniroute_agent.doors.streams import LISTEN, Listen
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.scopes import missing

NOT_ALLOWED: Final = -32003
"""JSON-RPC code of a call that needs scopes its caller lacks; from the range that is ours (-32019 to -32000)."""

_LISTENS: Final = "subscriptions/listen"
_OFF_LOOP: Final = 1024 * 1024
_BOTH_KINDS: Final = b"application/json, text/event-stream"
_JSON_KINDS: Final = (b"application/json", b"application/*", b"*/*")


class Posted:
    """Reads a posted body whole and refuses what is not one JSON-RPC message, or not its caller's to send."""

    def __init__(self, app: ASGIApp, limits: InboundLimits, needs: Needs, issuer: Issuer | None) -> None:
        self._app = app
        self._limits = limits
        self._needs = needs
        self._issuer = issuer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            _expect_json(scope)
            body = await _whole(scope, receive, self._limits)
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
        return True


async def _read(body: bytes) -> JSONRPCMessage:
    """
    Raises:
        BadMessage: it is not one JSON-RPC message.
    """
    if len(body) > _OFF_LOOP:
        return await anyio.to_thread.run_sync(read_message, body)
    return read_message(body)


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


async def _whole(scope: Scope, receive: Receive, limits: InboundLimits) -> bytes | None:
    """The body; None when the client left while sending.

    Raises:
        Refusal: it is longer than allowed.
    """
    too_large = Refusal(413, "invalid_request", f"The body is larger than {limits.body_bytes // 1024 // 1024} MiB.")
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if declared.isdigit() and int(declared) > limits.body_bytes:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > limits.body_bytes:
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

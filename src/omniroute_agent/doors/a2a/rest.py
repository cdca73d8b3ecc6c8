"""The HTTP+JSON binding of version 1.0: the operations of the desk as resources below `/a2a`."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from a2a.utils.errors import InvalidParamsError, MethodNotFoundError
from starlette.types import Receive, Scope, Send

from omniroute_agent.doors.a2a import modern
from omniroute_agent.doors.a2a.arrival import (
    A2A_JSON,
    JSON,
    Headers,
    decoded,
    expect_json,
    expect_shallow,
    expect_version,
    forbidden,
    headers_in,
    media_type,
)
from omniroute_agent.doors.a2a.desk import Desk, Heard
from omniroute_agent.doors.a2a.elsewhere import Elsewhere
from omniroute_agent.doors.a2a.failures import failure_of
from omniroute_agent.doors.a2a.sse import encode, send_events
from omniroute_agent.doors.a2a.terms import Terms
from omniroute_agent.doors.a2a.visit import Version, visit_of
from omniroute_agent.doors.a2a.words import PATH
from omniroute_agent.doors.access import headers_of
from omniroute_agent.doors.body import whole_body
from omniroute_agent.doors.challenge import Header, Issuer
from omniroute_agent.doors.gate import CALLER, PEER
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.refusal import Refusal
from omniroute_agent.doors.streams import LISTEN, Listen
from omniroute_agent.kernel.errors import NotAllowed
from omniroute_agent.kernel.strict_json import BadJson

VERSION: Final[Version] = "1.0"

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Way:
    """One operation: the HTTP method, the path below ours, and what it is called over JSON-RPC."""

    verb: Literal["GET", "POST", "DELETE"]
    path: re.Pattern[str]
    operation: str


def _way(verb: Literal["GET", "POST", "DELETE"], path: str, operation: str) -> _Way:
    """Names in braces are parameters of the operation."""
    return _Way(verb, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/:]+)", path)), operation)


_HOOKS: Final = "/tasks/{taskId}/pushNotificationConfigs"
_WAYS: Final = (
    _way("POST", "/message:send", "SendMessage"),
    _way("POST", "/message:stream", "SendStreamingMessage"),
    _way("GET", "/tasks", "ListTasks"),
    _way("GET", "/tasks/{id}", "GetTask"),
    _way("POST", "/tasks/{id}:cancel", "CancelTask"),
    # The text of the specification has one, its schema the other.
    _way("POST", "/tasks/{id}:subscribe", "SubscribeToTask"),
    _way("GET", "/tasks/{id}:subscribe", "SubscribeToTask"),
    _way("POST", _HOOKS, "CreateTaskPushNotificationConfig"),
    _way("GET", _HOOKS, "ListTaskPushNotificationConfigs"),
    _way("GET", f"{_HOOKS}/{{id}}", "GetTaskPushNotificationConfig"),
    _way("DELETE", f"{_HOOKS}/{{id}}", "DeleteTaskPushNotificationConfig"),
    _way("GET", "/extendedAgentCard", "GetExtendedAgentCard"),
)
_SWITCHES: Final = {"true": True, "false": False}


class RestDoor:
    def __init__(self, desk: Desk, limits: InboundLimits, issuer: Issuer | None, terms: Terms) -> None:
        self._desk = desk
        self._limits = limits
        self._issuer = issuer
        self._terms = terms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_in(scope)
        try:
            operation, named = _found(scope)
            expect_version(headers, scope, operation, VERSION, lenient=self._terms.lenient)
            body = await self._body(scope, headers, receive)
            if body is None:
                return
            params = {**_query(scope), **body, **named}
            await self._serve(operation, params, scope, headers, receive, send)
        except Refusal as refusal:
            await refusal.send(send)
        except NotAllowed as error:
            await _send_failure(send, headers, error, forbidden(scope, self._issuer, error))
        except Exception as error:  # noqa: BLE001 (failure_of logs what nobody expected)
            await _send_failure(send, headers, error)

    async def _serve(
        self, operation: str, params: Wire, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        """
        Raises:
            A2AError, CallError: before anything was sent.
        """
        visit = visit_of(scope[CALLER], VERSION, self._desk.cards.base(scope[PEER]), headers)
        if (answer := modern.ANSWERS.get(operation)) is not None:
            await _send(send, headers, 200, await answer(self._desk, visit, params))
            return
        heard = await modern.STREAMS[operation](self._desk, visit, params)

        async def stream(_: Scope, receive: Receive, send: Send) -> None:
            await self._stream(heard, receive, send)

        # As over JSON-RPC: what another process runs would keep this server from its end.
        follow: Listen | None = scope[LISTEN] if isinstance(heard, Elsewhere) else None
        await (stream(scope, receive, send) if follow is None else follow(stream, scope, receive, send))

    async def _stream(self, heard: Heard, receive: Receive, send: Send) -> None:
        failed = False

        async def following() -> Wire | None:
            nonlocal failed
            if failed:
                return None
            try:
                told = await heard.next()
                return None if told is None else modern.event(told)
            except Exception as error:  # noqa: BLE001 (failure_of logs what nobody expected)
                failed = True
                return failure_of(error).over_http()

        await send_events(receive, send, following, heartbeat=self._terms.heartbeat, error_events=True)

    async def _body(self, scope: Scope, headers: Headers, receive: Receive) -> Wire | None:
        """The parameters in it; none in an empty one. None: the client left.

        Raises:
            A2AError: it is no JSON object.
            Refusal: it is too long.
        """
        body = await whole_body(headers_of(scope), receive, self._limits.body_bytes)
        if not body:
            return None if body is None else {}
        expect_json(headers)
        try:
            found = await decoded(body)
        except BadJson as error:
            raise InvalidParamsError(f"The body is not JSON that can be read: {error}.") from None
        if not isinstance(found, dict):
            raise InvalidParamsError("The body must be an object.")
        expect_shallow(found)
        return found


def _found(scope: Scope) -> tuple[str, Wire]:
    """The operation, and the parameters that its path holds.

    Raises:
        MethodNotFoundError: there is none at that path.
        Refusal: there is, for other methods of HTTP.
    """
    path = scope["path"].removeprefix(PATH)
    matches = [(way, match) for way in _WAYS if (match := way.path.fullmatch(path))]
    for way, match in matches:
        if way.verb == scope["method"]:
            return way.operation, match.groupdict()
    if matches:
        verbs = sorted({way.verb for way, _ in matches})
        allow = ((b"allow", ", ".join(verbs).encode()),)
        raise Refusal(405, "method_not_allowed", f"Only {' and '.join(verbs)} is served here.", "", allow)
    raise MethodNotFoundError("There is no operation at this path.")


def _query(scope: Scope) -> Wire:
    """Parameters as JSON has them. Numbers stay text: the types behind them read both."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"))
    return {name: _SWITCHES.get(value, value) for name, value in pairs if name.lower() != "a2a-version"}


def _wanted(headers: Headers) -> str:
    """The binding's own media type, as A2A 1.0.1 prefers it, unless the client takes only what 1.0.0 had."""
    accepted = [media_type(each) for each in headers.get("accept", "").split(",")]
    return JSON if JSON in accepted and A2A_JSON not in accepted else A2A_JSON


async def _send_failure(send: Send, headers: Headers, error: Exception, *more: Header) -> None:
    failure = failure_of(error)
    await _send(send, headers, failure.status, failure.over_http(), *more)


async def _send(send: Send, headers: Headers, status: int, document: Wire, *more: Header) -> None:
    body = encode(document)
    told = [
        (b"content-type", _wanted(headers).encode()),
        (b"content-length", str(len(body)).encode()),
        (b"vary", b"Accept"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})

"""`POST /a2a`: one JSON-RPC request, of whichever version or dialect its method belongs to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import (
    InvalidParamsError,
    InvalidRequestError,
    MethodNotFoundError,
)
from starlette.types import Receive, Scope, Send

from omniroute_agent.doors.a2a import legacy, modern, money, original
from omniroute_agent.doors.a2a.arrival import (
    decoded,
    expect_json,
    expect_shallow,
    expect_version,
    forbidden,
    headers_in,
)
from omniroute_agent.doors.a2a.desk import Desk, Heard
from omniroute_agent.doors.a2a.elsewhere import Elsewhere
from omniroute_agent.doors.a2a.failures import Failure, failure_of, parse_error
from omniroute_agent.doors.a2a.original_params import speaks
from omniroute_agent.doors.a2a.sse import encode, send_events
from omniroute_agent.doors.a2a.terms import Terms
from omniroute_agent.doors.a2a.visit import Version, visit_of
from omniroute_agent.doors.access import headers_of
from omniroute_agent.doors.body import whole_body
from omniroute_agent.doors.challenge import Issuer
from omniroute_agent.doors.gate import CALLER, PEER
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.refusal import Refusal, send_json
from omniroute_agent.doors.streams import LISTEN, Listen
from omniroute_agent.kernel.errors import NotAllowed
from omniroute_agent.kernel.strict_json import BadJson

Wire = dict[str, Any]
RequestId = str | int | None


@dataclass(frozen=True, slots=True)
class Call:
    id: RequestId
    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Era:
    """The methods of one version. No two versions share a name."""

    version: Version
    answers: Mapping[str, modern.Answer]
    streams: Mapping[str, modern.Stream]
    event: Callable[[pb.StreamResponse], Wire]

    @property
    def old(self) -> bool:
        return self.version == "0.3"


_ERAS: Final = (
    _Era(version="1.0", answers=modern.ANSWERS, streams=modern.STREAMS, event=modern.event),
    _Era(version="0.3", answers=legacy.ANSWERS, streams=legacy.STREAMS, event=legacy.event),
)


class RpcDoor:
    def __init__(self, desk: Desk, limits: InboundLimits, issuer: Issuer | None, terms: Terms) -> None:
        self._desk = desk
        self._limits = limits
        self._issuer = issuer
        self._terms = terms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id: RequestId = None
        old = False
        try:
            _expect_post(scope)
            body = await whole_body(headers_of(scope), receive, self._limits.body_bytes)
            if body is None:
                return
            headers = headers_in(scope)
            expect_json(headers)
            document = await decoded(body)
            request_id = _id_in(document)
            call = _call_in(document)
            old = call.method in legacy.ANSWERS or call.method in legacy.STREAMS
            expect_shallow(call.params)
            if speaks(call.method, call.params):
                await self._serve_original(call, scope, headers, receive, send)
                return
            await self._serve(call, scope, headers, receive, send)
        except Refusal as refusal:
            await refusal.send(send)
        except BadJson as bad:
            await _send_failure(send, None, parse_error(str(bad)), old=old)
        except NotAllowed as error:
            await self._forbid(scope, send, _failed(request_id, failure_of(error), old=old), error)
        except Exception as error:  # noqa: BLE001 (failure_of logs what nobody expected)
            await _send_failure(send, request_id, failure_of(error), old=old)

    async def _serve(self, call: Call, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        """
        Raises:
            A2AError, CallError: before anything was sent.
        """
        if (method := money.METHODS.get(call.method)) is not None:
            # Of no version: the extension's own.
            handles = self._desk.runs.context.parts.handles
            await _send_result(send, call.id, await method(handles, scope[CALLER], call.params))
            return
        era = next((each for each in _ERAS if call.method in each.answers or call.method in each.streams), None)
        if era is None:
            raise MethodNotFoundError(f"No method is called `{call.method[:80]}`.")
        expect_version(headers, scope, call.method, era.version, lenient=self._terms.lenient)
        visit = visit_of(scope[CALLER], era.version, self._desk.cards.base(scope[PEER]), headers)
        if (answer := era.answers.get(call.method)) is not None:
            await _send_result(send, call.id, await answer(self._desk, visit, call.params))
            return
        heard = await era.streams[call.method](self._desk, visit, call.params)

        async def stream(_: Scope, receive: Receive, send: Send) -> None:
            await self._stream(call.id, heard, era, receive, send)

        # What another process runs is not this one's to end: its followers leave when this server does.
        follow: Listen | None = scope[LISTEN] if isinstance(heard, Elsewhere) else None
        await (stream(scope, receive, send) if follow is None else follow(stream, scope, receive, send))

    async def _stream(
        self,
        request_id: RequestId,
        heard: Heard,
        era: "_Era",
        receive: Receive,
        send: Send,
    ) -> None:
        failed = False

        async def following() -> Wire | None:
            nonlocal failed
            if failed:
                return None
            try:
                told = await heard.next()
                return None if told is None else _answer(request_id, era.event(told))
            except Exception as error:  # noqa: BLE001 (failure_of logs what nobody expected)
                failed = True
                return _failed(request_id, failure_of(error), old=era.old)

        await send_events(receive, send, following, heartbeat=self._terms.heartbeat)

    async def _serve_original(
        self, call: Call, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send
    ) -> None:
        """In the dialect of the original, which names no version and has errors of its own."""
        visit = visit_of(scope[CALLER], "0.3", self._desk.cards.base(scope[PEER]), headers)
        try:
            if (answer := original.ANSWERS.get(call.method)) is not None:
                said = await answer(self._desk, visit, call.params)
                await send_json(send, 200, encode({"jsonrpc": "2.0", "id": call.id, **said}))
                return
            telling = await original.stream(self._desk, visit, call.params)
        except Exception as error:  # noqa: BLE001 (failure_of logs what nobody expected)
            document = {"jsonrpc": "2.0", "id": call.id, "error": original.error(failure_of(error))}
            if isinstance(error, NotAllowed):
                await self._forbid(scope, send, document, error)
            else:
                await send_json(send, 200, encode(document))
            return
        now = self._desk.runs.ports.now
        await send_events(
            receive,
            send,
            telling.next,
            heartbeat=self._terms.heartbeat,
            comment=lambda: original.heartbeat(now()),
        )

    async def _forbid(self, scope: Scope, send: Send, document: Wire, error: NotAllowed) -> None:
        await send_json(send, 403, encode(document), (forbidden(scope, self._issuer, error),))


def _expect_post(scope: Scope) -> None:
    """
    Raises:
        Refusal: it is another method.
    """
    if scope["method"] != "POST":
        raise Refusal(405, "method_not_allowed", "Only POST is served here.", "", ((b"allow", b"POST"),))


def _id_in(document: Any) -> RequestId:
    found = document.get("id") if isinstance(document, dict) else None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def _call_in(document: Any) -> Call:
    """
    Raises:
        InvalidRequestError: it is no JSON-RPC request.
    """
    if isinstance(document, list):
        raise InvalidRequestError("Batches are not served; send one request at a time.")
    if not isinstance(document, dict):
        raise InvalidRequestError("A request is a JSON object.")
    if document.get("jsonrpc") != "2.0":
        raise InvalidRequestError('`jsonrpc` must be "2.0".')
    if document.get("id") is not None and _id_in(document) is None:
        raise InvalidRequestError("`id` must be text or a whole number.")
    method, params = document.get("method"), document.get("params", {})
    if not isinstance(method, str) or not method:
        raise InvalidRequestError("`method` must be text.")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise InvalidParamsError("`params` must be an object.")
    return Call(_id_in(document), method, params)


def _answer(request_id: RequestId, result: Any) -> Wire:
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def _failed(request_id: RequestId, failure: Failure, *, old: bool) -> Wire:
    return {"jsonrpc": "2.0", "id": request_id, "error": failure.legacy() if old else failure.modern()}


async def _send_result(send: Send, request_id: RequestId, result: Any) -> None:
    await send_json(send, 200, encode(_answer(request_id, result)))


async def _send_failure(send: Send, request_id: RequestId, failure: Failure, *, old: bool) -> None:
    """Failures of JSON-RPC travel with the status 200."""
    await send_json(send, 200, encode(_failed(request_id, failure, old=old)))

"""Asking the owner in the window the call came from, where a call needs a consent that only the owner can give.

Since 2026-07-28 the call is answered with the question and a sealed state, and the client calls again with the answer;
in the handshake era the server sends a request of its own while the call waits. Either way the answer does what
`omniroute-agent approve CODE` does, for the very code the call got: nothing else a client sends is consent.

A question is shown by the client of whoever called. So it is asked only where that is the owner: on stdio, and behind
the owner's own key. Others get the code, and so does a client that cannot show questions.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import anyio
import anyio.to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, ClientCapabilities, ElicitRequestedSchema
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ValidationError

from omniroute_agent.engine.consents import LIFETIME
from omniroute_agent.kernel.caller import OWNER_ID, Caller
from omniroute_agent.kernel.errors import ConsentRequired, NotAllowed, NotFound, StoreUnavailable

if TYPE_CHECKING:  # a module that is loaded already whenever this one is
    from omniroute_agent.tooling.parts import Parts

QUESTION: Final = "consent"
"""Key of the one question in an input-required result."""
YES: Final = "allow this once"
NO: Final = "refuse"
AUDIENCE: Final = "omniroute-agent"

_SCHEMA: Final[ElicitRequestedSchema] = {
    "type": "object",
    # A choice without a default: no client can fill it in for the owner by itself.
    "properties": {"answer": {"type": "string", "title": "Your answer", "enum": [YES, NO]}},
    "required": ["answer"],
}
_QUESTIONS_PER_CALL: Final = 3
"""In the handshake era: what is asked may change while the owner thinks, a price for instance."""
_SHOWN_OPTIONS: Final = 10

Wire = dict[str, Any]
Verdict = Literal["yes", "no"]

_ANSWERS: Final[Mapping[str, Verdict]] = {YES: "yes", NO: "no"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call that may have to be asked about."""

    ctx: ServerRequestContext[Any, Any]
    params: CallToolRequestParams
    caller: Caller
    parts: "Parts"
    run: Callable[[], Awaitable[Wire]]

    @property
    def modern(self) -> bool:
        return self.ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


async def ask_owner(call: Call, required: ConsentRequired) -> Wire:
    """The question, or in the handshake era what came of asking it.

    Raises:
        ConsentRequired: the owner cannot be asked here, or did not answer.
        NotAllowed: the owner said no.
    """
    if call.caller.id != OWNER_ID or not _shows_forms(call.ctx.session.client_capabilities):
        raise required
    if not call.modern:
        return await _ask_and_wait(call, required)
    try:
        boundary = await _boundary(call)
    except StoreUnavailable as error:
        _log.warning("Without its key no question can be asked: %s", error.sentence())
        raise required from None
    return cast("Wire", await boundary(call.ctx, lambda _: _question(required)))


async def go_on(call: Call) -> Wire:
    """A call that comes back with the state of a question, and perhaps with its answer.

    Raises:
        MCPError: the state is not what was given out for this very call and caller, or its time is up (-32602).
        ConsentRequired: the owner did not answer, or must be asked in another way.
        NotAllowed: the owner said no.
        StoreUnavailable: the key that the state was sealed with cannot be read.
    """
    boundary = await _boundary(call)
    return cast("Wire", await boundary(call.ctx, lambda ctx: _answered(replace(call, ctx=ctx))))


async def _answered(call: Call) -> Wire:
    code = _code(call.ctx)
    verdict = _verdict((call.params.input_responses or {}).get(QUESTION))
    if verdict is not None:
        await _settle(call, code, verdict)
    try:
        return await call.run()
    except ConsentRequired as required:
        if verdict is None or call.caller.id != OWNER_ID or not _shows_forms(call.ctx.session.client_capabilities):
            raise
        # The yes was for something else by now: its time was up, it was used already, or a price has changed.
        return await _question(required)


async def _question(required: ConsentRequired) -> Wire:
    params = {"mode": "form", "message": _message(required), "requestedSchema": _SCHEMA}
    return {
        "resultType": "input_required",
        "inputRequests": {QUESTION: {"method": "elicitation/create", "params": params}},
        "requestState": json.dumps({"code": required.facts["code"]}),
    }


async def _ask_and_wait(call: Call, required: ConsentRequired) -> Wire:
    for _ in range(_QUESTIONS_PER_CALL):
        verdict = await _asked(call, _message(required))
        if verdict is None:
            break
        await _settle(call, str(required.facts["code"]), verdict)
        try:
            return await call.run()
        except ConsentRequired as again:
            required = again
    raise required


async def _asked(call: Call, message: str) -> Verdict | None:
    session, request = call.ctx.session, call.ctx.request_id
    with anyio.move_on_after(LIFETIME):
        try:
            answer = await session.elicit_form(message, _SCHEMA, related_request_id=request)
        except (MCPError, ValidationError) as error:
            _log.info("A client that says it shows questions did not: %s", type(error).__qualname__)
            return None
        return _verdict(answer)
    return None


async def _settle(call: Call, code: str, verdict: Verdict) -> None:
    """
    Raises:
        NotAllowed: the owner said no.
    """
    try:
        asked = await call.parts.consents.answer(code, approved=verdict == "yes")
    except NotFound as error:
        # Answered elsewhere, or its time is up. Whether the call may pass is decided where it always is.
        _log.info("An answer came too late: %s", error.message)
    else:
        _log.warning("The owner %s in a client's window: %s", asked.state, asked.question)
    if verdict == "no":
        raise NotAllowed("The owner was asked and said no.", hint="Go on without it, or ask the owner.")


def _message(required: ConsentRequired) -> str:
    """The question, and under it what each way would cost."""
    lines = [str(required.facts["question"])]
    options = cast("list[Mapping[str, str | None]]", required.facts.get("options", []))
    lines += [_told(option) for option in options[:_SHOWN_OPTIONS]]
    if len(options) > _SHOWN_OPTIONS:
        lines.append(f"and {len(options) - _SHOWN_OPTIONS} more")
    return "\n".join(lines)


def _told(option: Mapping[str, str | None]) -> str:
    expected, worst = option["expected_usd"], option["worst_usd"]
    if worst is None:
        return f"• {option['target']}: nobody knows its price"
    about = "" if expected is None else f"about {expected} USD, "
    return f"• {option['target']}: {about}at most {worst} USD"


def _verdict(answer: object) -> Verdict | None:
    """What the owner chose; None where nothing was chosen."""
    given = answer.model_dump() if isinstance(answer, BaseModel) else answer
    if not isinstance(given, dict):
        return None
    told = cast("Wire", given)
    content = told.get("content")
    chosen = cast("Wire", content).get("answer") if isinstance(content, dict) else None
    match told.get("action"):
        case "accept":
            return _ANSWERS.get(str(chosen))
        case "decline":
            return "no"
        case _:
            return None


def _code(ctx: ServerRequestContext[Any, Any]) -> str:
    """
    Raises:
        MCPError: it was sealed here, but by a part that puts something else into it.
    """
    try:
        return str(json.loads((ctx.params or {})["requestState"])["code"])
    except (ValueError, KeyError, TypeError):
        raise MCPError(code=INVALID_PARAMS, message="This is not the state of a question to the owner.") from None


def _shows_forms(declared: ClientCapabilities | None) -> bool:
    """Whether the client said that it asks its user by forms. Without a mode it means forms (2025-11-25)."""
    asks = declared.elicitation if declared else None
    return asks is not None and (asks.form is not None or asks.url is None)


async def _boundary(call: Call) -> RequestStateBoundary:
    """Seals and opens for this caller only; it also binds a state to the tool, its arguments and a time.

    Raises:
        StoreUnavailable: its key cannot be read.
    """
    key = await anyio.to_thread.run_sync(call.parts.state_key)
    security = RequestStateSecurity(keys=[key.reveal()], ttl=LIFETIME, bind_principal=lambda _: call.caller.id)
    return RequestStateBoundary(security, default_audience=AUDIENCE)

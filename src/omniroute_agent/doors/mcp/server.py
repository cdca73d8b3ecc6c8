"""The MCP server: a list of tools becomes `tools/list` and `tools/call`, the same for every transport and era."""

import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, PaginatedRequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from omniroute_agent.doors.mcp.arguments import read_arguments
from omniroute_agent.doors.mcp.listing import Listing, instructions
from omniroute_agent.doors.mcp.offers import Offers
from omniroute_agent.doors.mcp.witness import Witness
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import CallError, ConsentRequired, NotFound, not_found
from omniroute_agent.kernel.view import EVERYTHING, View
from omniroute_agent.tooling.schema import input_schema
from omniroute_agent.tooling.tool import Tool, ToolContext, ToolOutput
from omniroute_agent.tooling.view import allowed

if TYPE_CHECKING:  # a client is greeted before the rooms behind the tools are loaded
    from omniroute_agent.tooling.parts import Parts

NAME: Final = "omniroute-agent"
ERROR_META: Final = "omniroute/error"
"""Key in a failed result's `_meta` under which programs find code, message, hint and facts.

Not `structuredContent`: the 1.x line of the TypeScript SDK checks that against the tool's output schema even when
`isError` is set, and its callers would then see a protocol error in place of ours (typescript-sdk #2748, read
2026-11-21).
"""

_LIST_FRESH_MS: Final = 60_000
_PROGRESS_INTERVAL: Final = 0.1
_GREETINGS: Final = frozenset(("initialize", "server/discover"))
_SWITCHED_OFF: Final = (
    "The owner chose which tools are shown (--toolsets, --tools, --exclude-tools, --read-only); tools/list has them."
)

Context = ServerRequestContext[Any, Any]
Wire = dict[str, Any]

_log = logging.getLogger(__name__)


def make_server(
    tools: Sequence[Tool],
    parts: Callable[[], Awaitable["Parts"]],
    who: Caller | Callable[[Context], Caller],
    *,
    door: str,
    version: str,
    view: View = EVERYTHING,
) -> Server[Any]:
    """A server over `tools`, listed in this order.

    `parts` is asked at each call and not before, so that a client is greeted and sees the list while the database is
    still closed. `who` reads the caller off the connection, or is the caller of all of them. `view` is the most that
    anyone is shown; a caller's own view narrows it further.
    """
    shown = [tool for tool in tools if allowed(view, tool)]
    caller_of = _always(who) if isinstance(who, Caller) else who
    calls = _Calls(shown, frozenset(tool.name for tool in tools), parts, caller_of, door)
    listing = Listing(shown)
    schemas = {tool.name: input_schema(tool.input) for tool in shown}
    private = CacheHint(ttl_ms=_LIST_FRESH_MS, scope="private")
    server: Server[Any] = Server(
        NAME,
        version=version,
        instructions=listing.advice_for(who) if isinstance(who, Caller) else instructions(shown),
        cache_hints={"tools/list": private, "server/discover": private},
        get_tool_input_schema=schemas.get,
    )

    async def list_tools(ctx: Context, _: PaginatedRequestParams) -> Wire:
        return listing.visible_to(caller_of(ctx))

    async def greet(ctx: Context, call_next: CallNext) -> HandlerResult:
        """Advice that speaks only of what this caller is shown; the SDK knows one text for everybody."""
        answer = await call_next(ctx)
        if ctx.method in _GREETINGS and isinstance(answer, dict):
            said: Wire = answer
            return {**said, "instructions": listing.advice_for(caller_of(ctx))}
        return answer

    # Registered rather than passed in, because only so a prepared dict may be returned in place of a model.
    server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    witness = Witness(calls.call, schemas, parts, caller_of, door, ERROR_META)
    server.add_request_handler("tools/call", CallToolRequestParams, witness.call)
    Offers(shown, parts, caller_of, door).add_to(server)
    # The SDK opens a span around every message; without an exporter that is only cost.
    server.middleware[:] = [greet]
    return server


def _always(caller: Caller) -> Callable[[Context], Caller]:
    return lambda _: caller


class _Calls:
    """Runs one tool per call and turns every outcome into a result the model can read."""

    def __init__(
        self,
        tools: Sequence[Tool],
        installed: frozenset[str],
        parts: Callable[[], Awaitable["Parts"]],
        who: Callable[[Context], Caller],
        door: str,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._installed = installed
        self._parts = parts
        self._who = who
        self._door = door

    async def call(self, ctx: Context, params: CallToolRequestParams) -> Wire:
        """
        Raises:
            MCPError: the tool does not exist or is not shown to this caller (-32602, as the specification wants it).
        """
        caller = self._who(ctx)
        tool = self._tools.get(params.name)
        if tool is None or not allowed(caller.view, tool):
            raise self._unknown(params.name, caller)
        parts: Parts | None = None
        try:
            caller.require(tool.scopes)
            args = read_arguments(tool, params.arguments)
            parts = await self._parts()
            context = self._context(ctx, caller, parts)

            async def run() -> Wire:
                return _answer(await tool.run(args, context))

            return await _with_owner(ctx, params, caller, parts, run)
        except MCPError:
            raise
        except CallError as error:
            return _failure(error.code, error.message, error.hint, error.facts)
        except Exception as error:  # noqa: BLE001 (the last wall: whatever a tool does, the caller gets a result)
            return _internal(tool, error, parts.ports.new_id() if parts else "before-start")

    def _unknown(self, name: str, caller: Caller) -> MCPError:
        if name in self._installed:
            said = NotFound(f"The tool `{name}` is switched off here.", hint=_SWITCHED_OFF)
        else:
            said = not_found("tool", name, [tool.name for tool in self._tools.values() if allowed(caller.view, tool)])
        return MCPError(code=INVALID_PARAMS, message=said.sentence(), data=said.facts)

    def _context(self, ctx: Context, caller: Caller, parts: "Parts") -> ToolContext:
        listens = ctx.meta is not None and ctx.meta.get("progress_token") is not None
        return ToolContext(
            caller=caller,
            parts=parts,
            door=caller.door or self._door,
            progress=_Progress(ctx.session, parts.ports.monotonic) if listens else _silence,
            listens=listens,
        )


async def _with_owner(
    ctx: Context, params: CallToolRequestParams, caller: Caller, parts: "Parts", run: Callable[[], Awaitable[Wire]]
) -> Wire:
    """What `run` answers. Where that needs the owner's consent, the owner is asked, if this client can show it."""
    required: ConsentRequired | None = None
    if params.request_state is None or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        try:
            return await run()
        except ConsentRequired as error:
            required = error
    # Imported here because few calls need the owner.
    from omniroute_agent.doors.mcp.asking import Call, ask_owner, go_on  # noqa: PLC0415 (lazy)

    call = Call(ctx=ctx, params=params, caller=caller, parts=parts, run=run)
    return await (go_on(call) if required is None else ask_owner(call, required))


class _Progress:
    """Tells the caller how far its call is, at most about ten times a second and never backwards."""

    def __init__(self, session: ServerSession, monotonic: Callable[[], float]) -> None:
        self._session = session
        self._monotonic = monotonic
        self._told_at = float("-inf")
        self._told = float("-inf")

    async def __call__(self, done: float, total: float | None, message: str) -> None:
        now = self._monotonic()
        last = total is not None and done >= total
        if done <= self._told or (now - self._told_at < _PROGRESS_INTERVAL and not last):
            return
        self._told_at, self._told = now, done
        await self._session.report_progress(done, total, message)


async def _silence(done: float, total: float | None, message: str) -> None:
    """Nobody asked for progress."""


def _answer(output: ToolOutput) -> Wire:
    return {
        "content": [{"type": "text", "text": output.summary()}],
        "structuredContent": output.structured(),
        "isError": False,
        "resultType": "complete",
    }


def _failure(code: str, message: str, hint: str, facts: dict[str, object]) -> Wire:
    return {
        "content": [{"type": "text", "text": f"{code}: {message} {hint}".rstrip()}],
        "isError": True,
        "resultType": "complete",
        "_meta": {ERROR_META: {"code": code, "message": message, "hint": hint, "facts": facts}},
    }


def _internal(tool: Tool, error: Exception, new_id: str) -> Wire:
    """The caller gets a reference, the log type and place. The exception's text may hold a secret: nobody gets it."""
    reference = new_id[-10:]
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("%s failed with %s (reference %s)\n%s", tool.name, type(error).__qualname__, reference, frames)
    return _failure(
        "internal",
        f"{tool.name} failed unexpectedly.",
        f"This is a defect of the server; its log has it under the reference {reference}.",
        {"reference": reference},
    )

"""Sees every tool call, also those that are refused: counts it, records it in the audit, gives it a span."""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams

from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import NotAllowed
from omniroute_agent.kernel.meter import Family

if TYPE_CHECKING:  # a client is greeted before the rooms behind the tools are loaded
    from omniroute_agent.outside.tracing import Spans, ToolSpan
    from omniroute_agent.tooling.parts import Parts

Context = ServerRequestContext[Any, Any]
Wire = dict[str, Any]
Call = Callable[[Context, CallToolRequestParams], Awaitable[Wire]]
Refused = Callable[[Caller, Mapping[str, Any]], Awaitable[None]]
"""Told the caller and the `params` of its call."""

OK: Final = "ok"
CANCELLED: Final = "cancelled"
UNKNOWN_TOOL: Final = "unknown_tool"
NO_SUCH_TOOL: Final = "(unknown)"
"""In the place of a name that no tool has: callers must not be able to make labels."""
LONGEST_NAME: Final = 64

CALLS: Final = Family("omniroute_tool_calls_total", "counter", "Tool calls, by outcome.", ("tool", "outcome"))
CALL_SECONDS: Final = Family("omniroute_tool_call_seconds", "histogram", "Time of tool calls.", ("tool",))

_log = logging.getLogger(__name__)


class Witness:
    def __init__(
        self,
        call: Call,
        tools: Collection[str],
        parts: Callable[[], Awaitable["Parts"]],
        who: Callable[[Context], Caller],
        door: str,
        error_meta: str,
    ) -> None:
        """`error_meta` is the key of a failed result's `_meta` that holds the error's code and facts."""
        self._call = call
        self._tools = tools
        self._parts = parts
        self._who = who
        self._door = door
        self._error_meta = error_meta

    async def call(self, ctx: Context, params: CallToolRequestParams) -> Wire:
        """
        Raises:
            MCPError: as the call itself.
        """
        try:
            parts = await self._parts()
        except Exception as error:  # noqa: BLE001 (the call itself runs into the same, and tells its caller)
            _log.warning("A call of %s cannot be recorded: %s", params.name[:LONGEST_NAME], type(error).__name__)
            return await self._call(ctx, params)
        seen = _Seen(parts, self._door, params, known=params.name in self._tools)
        with seen.spanned(ctx):
            try:
                result = await self._call(ctx, params)
            except MCPError as error:
                seen.refused(error.error.code)
                raise
            except BaseException:
                seen.outcome = CANCELLED
                raise
            else:
                self._read(seen, result)
                return result
            finally:
                seen.end(self._who(ctx))

    def _read(self, seen: "_Seen", result: Wire) -> None:
        """What a result says of itself. A call that waits for the caller's answer ends with that kind of result."""
        kind = result.get("resultType", "complete")
        if result.get("isError"):
            error = result.get("_meta", {}).get(self._error_meta, {})
            seen.outcome = str(error.get("code", "error"))
            seen.request_id = _text(error.get("facts", {}).get("request_id"))
            return
        seen.outcome = OK if kind == "complete" else str(kind)
        told = result.get("structuredContent")
        if isinstance(told, Mapping):
            seen.request_id = _text(told.get("request_id"))


def refusals(parts: Callable[[], Awaitable["Parts"]], door: str) -> Refused:
    """Counts and records calls that the door itself refuses, because their caller lacks a scope. They have no span."""

    async def refused(caller: Caller, params: Mapping[str, Any]) -> None:
        name, arguments = str(params.get("name")), params.get("arguments")
        call = CallToolRequestParams.model_construct(
            name=name, arguments=arguments if isinstance(arguments, dict) else None
        )
        try:
            seen = _Seen(await parts(), door, call, known=True)
        except Exception as error:  # noqa: BLE001 (it is refused all the same)
            _log.warning("A refused call of %s cannot be recorded: %s", name[:LONGEST_NAME], type(error).__name__)
        else:
            seen.outcome = NotAllowed.code
            seen.end(caller)

    return refused


class _Seen:
    """One call while it runs."""

    def __init__(self, parts: "Parts", door: str, params: CallToolRequestParams, *, known: bool) -> None:
        self._parts = parts
        self._door = door
        self._params = params
        self._known = known
        self._at = parts.ports.now().timestamp()
        self._began = parts.ports.monotonic()
        self._span: ToolSpan | None = None
        self._rpc_code: int | None = None
        self.outcome = OK
        self.request_id: str | None = None

    def spanned(self, ctx: Context) -> AbstractContextManager[None]:
        return nullcontext() if self._parts.spans is None else self._spanned(self._parts.spans, ctx)

    @contextmanager
    def _spanned(self, spans: "Spans", ctx: Context) -> Iterator[None]:
        # Imported here: there is a tracer, so it is loaded already.
        from omniroute_agent.outside.tracing import Received  # noqa: PLC0415 (lazy)

        headers = getattr(ctx.request, "headers", {})
        received = Received(
            tool=self._params.name if self._known else None,
            door=self._door,
            protocol_version=ctx.protocol_version,
            rpc_id=None if ctx.request_id is None else str(ctx.request_id),
            session=headers.get("mcp-session-id"),
            meta=ctx.meta,
            headers=headers,
        )
        with spans.tool_call(received) as self._span:
            yield

    def refused(self, code: int) -> None:
        self._rpc_code = code
        self.outcome = f"rpc{code}" if self._known else UNKNOWN_TOOL

    def end(self, caller: Caller) -> None:
        seconds = self._parts.ports.monotonic() - self._began
        label = self._params.name if self._known else NO_SUCH_TOOL
        self._parts.meter.count(CALLS, label, self.outcome)
        self._parts.meter.observe(CALL_SECONDS, seconds, label)
        if self._span is not None:
            self._span.ended(self.outcome, self.request_id, rpc_code=self._rpc_code)
        self._parts.audit.record_call(
            at=self._at,
            caller=caller,
            door=caller.door or self._door,
            tool=self._params.name[:LONGEST_NAME],
            arguments=self._params.arguments,
            outcome=self.outcome,
            duration_ms=round(seconds * 1000, 3),
            request_id=self.request_id,
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

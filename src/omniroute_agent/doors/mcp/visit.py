"""One request of one caller, as the parts of the server beside the tools see it.

They show nothing of their own: what they tell is what a tool told this caller, so scopes and books are the tools'.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import CallError, InvalidRequest, LimitReached, NotAllowed
from omniroute_agent.kernel.scopes import missing
from omniroute_agent.tooling.tool import PREFIX, Tool, ToolContext, ToolOutput
from omniroute_agent.tooling.view import allowed

if TYPE_CHECKING:  # a client is greeted before the rooms behind the tools are loaded
    from omniroute_agent.tooling.parts import Parts

Context = ServerRequestContext[Any, Any]
Wire = dict[str, Any]

NOT_ALLOWED: Final = -32003
LIMIT_REACHED: Final = -32004
"""Of the codes that a server may choose (-32000 to -32019)."""
GONE_BEFORE_2026: Final = -32002
"""What clients of the handshake era expect for a resource that does not exist; since 2026-07-28 it is -32602."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    caller: Caller
    tools: Mapping[str, Tool]
    """Every tool served here, by its name without the prefix."""
    door: str
    modern: bool
    """Of the era since 2026-07-28."""
    open: Callable[[], Awaitable["Parts"]]

    def may(self, *names: str) -> bool:
        """Whether the caller may call all of these tools."""
        return all(self._allowed(self.tools.get(name)) for name in names)

    def _allowed(self, tool: Tool | None) -> bool:
        return tool is not None and allowed(self.caller.view, tool) and not missing(self.caller.scopes, tool.scopes)

    def require(self, name: str) -> Tool:
        """
        Raises:
            NotAllowed: the caller lacks a scope of the tool, or it is not shown.
        """
        tool = self.tools.get(name)
        if tool is None or not allowed(self.caller.view, tool):
            raise NotAllowed(f"This needs the tool {PREFIX}{name}, which is switched off here.")
        self.caller.require(tool.scopes)
        return tool

    async def pages(self, name: str, **arguments: Any) -> AsyncGenerator[Wire, None]:
        """The results of a tool that pages, until the last one; of another tool its one result."""
        cursor: str | None = None
        while True:
            told = (await self.ask(name, **arguments, **({"cursor": cursor} if cursor else {}))).model_dump(mode="json")
            yield told
            cursor = told.get("next_cursor")
            if cursor is None:
                return

    async def ask(self, name: str, **arguments: Any) -> ToolOutput:
        """What a tool answers to this caller.

        Raises:
            NotAllowed: the caller lacks a scope of the tool, or it is not shown.
            CallError: as the tool says it.
        """
        tool = self.require(name)
        context = ToolContext(
            caller=self.caller, parts=await self.open(), door=self.door, progress=_silence, listens=False
        )
        return await tool.run(tool.input.model_validate(arguments), context)


def visit_of(
    ctx: Context,
    caller: Caller,
    tools: Mapping[str, Tool],
    door: str,
    parts: Callable[[], Awaitable["Parts"]],
) -> Visit:
    modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
    return Visit(caller=caller, tools=tools, door=caller.door or door, modern=modern, open=parts)


def protocol_error(error: CallError, *, code: int | None = None, **data: object) -> MCPError:
    """A failure of something that is no tool call: there only an error of the protocol can tell it."""
    if code is None:
        match error:
            case InvalidRequest():
                code = INVALID_PARAMS
            case NotAllowed():
                code = NOT_ALLOWED
            case LimitReached():
                code = LIMIT_REACHED
            case _:
                code = INTERNAL_ERROR
    return MCPError(code=code, message=error.sentence(), data={**data, "code": error.code, **error.facts})


def page_of(cursor: str | None, total: int, size: int) -> tuple[int, int, str | None]:
    """Start and end of the page a cursor names, and the cursor of the next one.

    Raises:
        MCPError: the cursor is none of ours (-32602).
    """
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= len(str(2**63))):
        raise MCPError(
            code=INVALID_PARAMS, message="That cursor is not one of ours. Use nextCursor of the page before."
        )
    start = int(cursor or 0)
    end = min(start + size, total)
    return start, end, str(end) if end < total else None


async def _silence(done: float, total: float | None, message: str) -> None:
    """What is read this way is there at once."""

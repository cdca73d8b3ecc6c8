"""A tool in one place: name, description, models, scopes and hints are read off one function."""

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, Field

from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.scopes import SCOPES

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.tooling.parts import Parts

PREFIX: Final = "omniroute_"

Toolset = Literal["core", "routing", "insight", "memory", "skills"]
Detail = Literal["concise", "detailed"]
"""How much of an answer is shown. concise leaves out what is null, empty or of use only now and then."""
Progress = Callable[[float, float | None, str], Awaitable[None]]
"""(done so far, total or None, a sentence with counts and never text of the answer)."""


class ToolInput(BaseModel):
    """Arguments of a tool: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


DRY_RUN: Final = Field(default=False, description="Change nothing.")
NOT_YET: Final = "Nothing was changed; without dry_run it is."


class ToolOutput(BaseModel):
    """Structured result of a tool."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def summary(self) -> str:
        """Short text for clients that show a model only text. The default is the compact JSON."""
        return self.model_dump_json(exclude_none=True)

    def structured(self) -> dict[str, Any]:
        """The result for programs, as the output schema has it."""
        return self.model_dump(mode="json")


def sparse(value: Any, leave_out: Collection[str] = ()) -> Any:
    """JSON without nulls, empty parts and the members called like one of `leave_out`, at any depth."""
    if isinstance(value, dict):
        members = {
            name: sparse(member, leave_out)
            for name, member in cast("dict[str, Any]", value).items()
            if name not in leave_out
        }
        return {name: member for name, member in members.items() if member not in (None, "", [], {})}
    if isinstance(value, list):
        items: list[Any] = value
        return [sparse(item, leave_out) for item in items]
    return value


def as_in(tool_name: str, *, nullable: bool = False, items: bool = False) -> dict[str, Any]:
    """JSON Schema of a value whose shape another tool's schema spells out: said once, a model reads it once."""
    words = f"As {tool_name} returns {'them' if items else 'it'}."
    if items:
        return {"type": "array", "items": {"type": "object"}, "description": words}
    if nullable:
        return {"anyOf": [{"type": "object"}, {"type": "null"}], "description": words}
    return {"type": "object", "description": words}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a running tool may use. The caller comes from the connection."""

    caller: Caller
    parts: "Parts"
    door: str
    """`mcp-stdio`, `mcp-http`, `mcp-sse` …"""
    progress: Progress
    listens: bool
    """Whether the caller asked for progress; without it an MCP call gets the shorter deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool
    """It reaches beyond this machine's own state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    name: str
    """With its prefix, at most 32 characters."""
    title: str
    description: str
    input: type[ToolInput]
    output: type[ToolOutput]
    scopes: frozenset[str]
    hints: Hints
    toolsets: frozenset[str]
    run: Callable[[Any, ToolContext], Awaitable[ToolOutput]]


def tool(
    *,
    title: str,
    scopes: Iterable[str],
    toolsets: Iterable[Toolset],
    read_only: bool,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
) -> Callable[[Callable[[Any, ToolContext], Awaitable[ToolOutput]]], Tool]:
    """Make a `Tool` of an async function `(args, ctx) -> output`. Registers nothing: a package lists its `TOOLS`.

    The docstring is what a model reads: when to use it, what it costs, how it fails.
    """
    needed = frozenset(scopes)
    if unknown := needed - set(SCOPES):
        raise ValueError(f"unknown scopes {sorted(unknown)}")

    def make(run: Callable[[Any, ToolContext], Awaitable[ToolOutput]]) -> Tool:
        hints = get_type_hints(run)
        argument = next(iter(inspect.signature(run).parameters))
        return Tool(
            name=PREFIX + run.__name__,
            title=title,
            description=inspect.cleandoc(run.__doc__ or ""),
            input=hints[argument],
            output=hints["return"],
            scopes=needed,
            hints=Hints(read_only=read_only, destructive=destructive, idempotent=idempotent, open_world=open_world),
            toolsets=frozenset(toolsets),
            run=run,
        )

    return make

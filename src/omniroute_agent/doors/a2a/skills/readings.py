"""Skills that answer from tools: the same figures as over MCP, told in words."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from omniroute_agent.doors.a2a.skills.envelope import free_envelope
from omniroute_agent.doors.a2a.skills.skill import Ask, Finished, Said, SkillContext, Words
from omniroute_agent.doors.a2a.words import DOOR
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.scopes import missing
from omniroute_agent.tooling.tool import Tool, ToolContext, ToolInput
from omniroute_agent.tooling.view import allowed

MOST_PAGES: Final = 20
READ: Final = 1_000
"""Characters of a question that are read."""

Facts = dict[str, Any]
"""A tool's structured result."""


class Readings:
    """What tools say to the caller of one task."""

    def __init__(self, ask: Ask, context: SkillContext) -> None:
        self.ask = ask
        self.context = context
        self.text = ask.text[:READ].lower()
        """The beginning, in which words are looked for."""
        self.told: dict[str, JsonValue] = {}
        """By tool, without its prefix: what it answered."""

    def may(self, name: str) -> bool:
        """Whether the caller may call a tool, and it is there."""
        caller = self.ask.caller
        tool = self.context.table.tool_or_none(name)
        return tool is not None and allowed(caller.view, tool) and not missing(caller.scopes, tool.scopes)

    async def read(self, name: str, **arguments: JsonValue) -> Facts:
        """
        Raises:
            CallError: the tool does not exist, is not the caller's to call, or refuses.
        """
        tool = self.context.table.tool(name)
        self.ask.caller.require(tool.scopes)
        ctx = ToolContext(caller=self.ask.caller, parts=self.context.parts, door=DOOR, progress=_silence, listens=True)
        found = (await tool.run(_input(tool, arguments), ctx)).structured()
        self.told[name] = found
        return found

    async def read_all(self, name: str, items: str, **arguments: JsonValue) -> Facts:
        """Every page of a list in one, up to `MOST_PAGES`."""
        whole = page = await self.read(name, **arguments)
        for _ in range(MOST_PAGES - 1):
            if page["next_cursor"] is None:
                break
            page = await self.read(name, **arguments, cursor=page["next_cursor"])
            whole = {**page, items: [*whole[items], *page[items]]}
        self.told[name] = whole
        return whole


def named(ask: Ask, *names: str) -> dict[str, JsonValue]:
    """Those of the options that are told as text."""
    return {name: told for name in names if isinstance(told := ask.options.get(name), str) and told.strip()}


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def together(*sections: str) -> str:
    """One text of all that say something."""
    return "\n\n".join(section for section in sections if section)


def _input(tool: Tool, arguments: Mapping[str, JsonValue]) -> ToolInput:
    """
    Raises:
        InvalidRequest: an option that a caller gave is none of the tool's.
    """
    try:
        return tool.input.model_validate(dict(arguments))
    except ValidationError as error:
        raise InvalidRequest(" ".join(_problem(each) for each in error.errors(include_url=False))) from None


def _problem(error: ErrorDetails) -> str:
    """One sentence that never repeats the value."""
    name = f"`{error['loc'][0]}`" if error["loc"] else "The options"
    own = error.get("ctx", {}).get("error") or error.get("ctx", {}).get("expected")
    return f"{name}: {own}." if own else f"{name}: not a value that can be meant."


async def _silence(_done: float, _total: float | None, _message: str) -> None:
    pass


def answering(
    skill: str, answer: Callable[[Readings], Awaitable[str]]
) -> Callable[[Ask, SkillContext], AsyncGenerator[Said, None]]:
    """The `run` of a skill whose answer is one text."""

    async def run(ask: Ask, context: SkillContext) -> AsyncGenerator[Said, None]:
        readings = Readings(ask, context)
        yield Words(await answer(readings), last=True)
        yield Finished(free_envelope(ask, skill, tuple(readings.told)), data=readings.told)

    return run

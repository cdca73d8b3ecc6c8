"""The house as a command uses it: opened for its owner, its tools called by name."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from omniroute_agent.app import House, open_house
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.page import Page, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.doors.mcp.arguments import read_arguments
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.settings.model import Settings
from omniroute_agent.tooling.tool import PREFIX, ToolContext

DOOR: Final = "cli"

T = TypeVar("T")


def in_house(settings: Settings, work: Callable[[House], Awaitable[T]]) -> T:
    """Run `work` in an open house.

    Raises:
        StoreUnavailable: the database cannot be opened.
        LookupError: the settings name tools that are not there.
    """

    async def inside() -> T:
        async with open_house(settings, door=DOOR) as house:
            return await work(house)

    return run(inside)


def owner(house: House) -> Caller:
    """The owner at the terminal; each command is a session of its own."""
    return Caller(id="owner", scopes=frozenset(("*",)), session=f"cli-{house.parts.ports.new_id()}")


async def call_tool(
    house: House, name: str, arguments: Mapping[str, Any], caller: Caller | None = None
) -> dict[str, Any]:
    """What the tool gives to MCP clients, as JSON has it. Arguments that are None count as not given. Without a
    `caller` it is the owner who calls.

    Raises:
        CallError: as the tool says it.
        CommandFailed: the settings leave that tool out.
    """
    tool = next((tool for tool in house.tools if tool.name == PREFIX + name), None)
    if tool is None:
        raise CommandFailed(
            f"The tool {PREFIX}{name} is not served here.",
            "Look at `[tools] packages` in the settings.",
            "settings",
            USAGE,
        )
    given = {key: value for key, value in arguments.items() if value is not None}
    context = ToolContext(caller=caller or owner(house), parts=house.parts, door=DOOR, progress=_silence, listens=True)
    output = await tool.run(read_arguments(tool, given), context)
    return output.model_dump(mode="json")


async def _silence(done: float, total: float | None, message: str) -> None:
    """The commands that wait long show their own progress."""


def show_tool(
    start: Start,
    name: str,
    arguments: Mapping[str, Any],
    draw: Callable[[Page, dict[str, Any]], None],
    *,
    as_json: bool,
) -> int:
    """Call one tool and show what it gives: as it is, or drawn for a person."""
    found = in_house(start.settings(), lambda house: call_tool(house, name, arguments))
    if as_json:
        print_json(found)
    else:
        draw(out(), found)
    return 0

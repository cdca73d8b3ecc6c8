"""`mcp`: the server on stdin and stdout. What it imports is what an editor waits for."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from omniroute_agent import __version__
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.cli.late_house import late_house
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.shown import shown
from omniroute_agent.cli.start import SCOPES, Start
from omniroute_agent.cli.window import DOOR
from omniroute_agent.doors.mcp.forward.handover import Handover
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.doors.mcp.stdio import serve_stdio
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.scopes import parse_scopes
from omniroute_agent.outside.logs import begin_logs
from omniroute_agent.settings.model import Settings
from omniroute_agent.tooling.packages import load_tools

if TYPE_CHECKING:
    from omniroute_agent.app import House


def serve_mcp(start: Start, scopes: str, session: str, handover: Handover | None = None) -> int:
    """`handover` comes from a window that lost its gateway."""
    settings = start.settings()
    begin_logs(settings.log.format, settings.log.level)
    caller = Caller(id="owner", scopes=read_scopes(scopes), session=session)
    run(lambda: _serve(settings, caller, handover))
    return 0


def read_scopes(words: str) -> frozenset[str]:
    """
    Raises:
        CommandFailed: a word is no scope.
    """
    try:
        return parse_scopes(words.replace(",", " ").split())
    except ValueError as error:
        raise CommandFailed(f"{SCOPES.name}: {error}", code="usage", exit_code=USAGE) from None


async def _serve(settings: Settings, caller: Caller, handover: Handover | None) -> None:
    def opening() -> AbstractAsyncContextManager["House"]:
        # Imported here: everything behind the tools is loaded at the first call.
        from omniroute_agent.app import open_house  # noqa: PLC0415 (lazy)

        return open_house(settings, door=DOOR, scopes=caller.scopes)

    async with late_house(opening) as house:
        tools = load_tools(settings.tools.packages)
        server = make_server(tools, house.parts, caller, door=DOOR, version=__version__, view=shown(settings, tools))
        await serve_stdio(server, handover=handover)

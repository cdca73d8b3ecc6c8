"""`mcp`: the server on stdin and stdout. What it imports is what an editor waits for."""

import logging
import sys
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from omniroute_agent import __version__
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.cli.late_house import late_house
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.start import SCOPES, Start
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.doors.mcp.stdio import serve_stdio
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.scopes import parse_scopes
from omniroute_agent.outside.ids import SortableIds
from omniroute_agent.settings.model import Settings
from omniroute_agent.tooling.packages import load_tools

if TYPE_CHECKING:
    from omniroute_agent.app import House

DOOR = "mcp-stdio"


def serve_mcp(start: Start, scopes: str) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = start.settings()
    caller = Caller(id="owner", scopes=read_scopes(scopes), session=f"stdio-{SortableIds()()}")
    run(lambda: _serve(settings, caller))
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


async def _serve(settings: Settings, caller: Caller) -> None:
    def opening() -> AbstractAsyncContextManager["House"]:
        # Imported here: everything behind the tools is loaded at the first call.
        from omniroute_agent.app import open_house  # noqa: PLC0415 (lazy)

        return open_house(settings, door=DOOR)

    async with late_house(opening) as house:
        server = make_server(
            load_tools(settings.tools.packages), house.parts, lambda _: caller, door=DOOR, version=__version__
        )
        await serve_stdio(server)

"""A real process that serves the small tools over stdio, on the loop the program uses or on asyncio's own.

Arguments: `--asyncio`, and scopes (default all).
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from doors.small_tools import OWNER, TOOLS, parts_of
from omniroute_agent.cli.loop import run
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.doors.mcp.stdio import serve_stdio

words = sys.argv[1:]
own_loop = "--asyncio" in words
caller = replace(OWNER, scopes=frozenset(set(words) - {"--asyncio"} or {"*"}))


async def serve() -> None:
    server = make_server(TOOLS, parts_of(), lambda _: caller, door="mcp-stdio", version="1.2.3")
    await serve_stdio(server, settle_seconds=1)


if own_loop:
    asyncio.run(serve())
else:
    run(serve)
sys.stderr.write("closed in good order\n")

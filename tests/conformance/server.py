"""The house's HTTP door with the suite's fixtures in it, until SIGTERM. For the conformance suite alone.

python server.py DATA_DIRECTORY URL_FILE       writes its address into the file once it is ready
"""

import asyncio
import logging
import sys
from pathlib import Path

# Run as a program: the tests' own packages lie beside this folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conformance.fixtures import with_fixtures
from houses import settings_of
from omniroute_agent.app import open_house
from omniroute_agent.doors.holders import Holder
from omniroute_agent.doors.listen import serve_http
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.tooling.parts import Parts


async def serve(directory: Path, url_file: Path) -> None:
    settings = settings_of(directory, "", {})
    async with open_house(settings, door="conformance", environment={}, caretakers=False) as house:

        async def parts() -> Parts:
            return house.parts

        app = http_app(
            lambda door: with_fixtures(make_server(house.tools, parts, caller_of, door=door, version="1.0.0")),
            {},
            house.parts.ports,
            # The suite has no way to send a key.
            anyone=Holder(id="owner", scopes=frozenset(("*",))),
        )
        await serve_http(app, "127.0.0.1", 0, ready=lambda port: _announce(url_file, port))


def _announce(url_file: Path, port: int) -> None:
    begun = url_file.with_suffix(".begun")
    begun.write_text(f"http://127.0.0.1:{port}/mcp", "utf-8")
    begun.replace(url_file)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))

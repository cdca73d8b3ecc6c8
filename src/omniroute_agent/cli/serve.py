"""`serve`: the server over HTTP."""

import gc
import logging
import sys
from functools import partial

from omniroute_agent import __version__
from omniroute_agent.app import open_house
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.page import err, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.doors.gate import Holder, key_digest
from omniroute_agent.doors.listen import serve_http
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.private import OWNER_KEY_FILE, owner_key
from omniroute_agent.tooling.parts import Parts

DOOR = "http"
_OWNER = Holder(id="owner", scopes=frozenset(("*",)))


def serve_http_door(start: Start, *, host: str | None, port: int | None, no_auth: bool, as_json: bool) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = start.settings({"server.host": host, "server.port": port})
    key = None if no_auth else owner_key(settings.directory)
    run(lambda: _serve(settings, key, as_json=as_json))
    return 0


async def _serve(settings: Settings, key: Secret | None, *, as_json: bool) -> None:
    async with open_house(settings, door=DOOR) as house:
        # What is loaded by now stays: to look through it again and again would hold up a request for 30 ms each time.
        gc.collect()
        gc.freeze()

        async def parts() -> Parts:
            return house.parts

        app = http_app(
            lambda door: make_server(house.tools, parts, caller_of, door=door, version=__version__),
            {} if key is None else {key_digest(key): _OWNER},
            house.parts.ports,
            anyone=_OWNER if key is None else None,
        )
        host = settings.server.host
        ready = partial(_tell_ready, settings, needs_key=key is not None, as_json=as_json)
        await serve_http(app, host, settings.server.port, ready=ready)


def _tell_ready(settings: Settings, port: int, *, needs_key: bool, as_json: bool) -> None:
    """Where to find the key; never the key itself. The door has said where it listens."""
    host = settings.server.host
    file = str(settings.directory / OWNER_KEY_FILE) if needs_key else None
    if as_json:
        shown = f"[{host}]" if ":" in host else host
        print_json({"url": f"http://{shown}:{port}/mcp", "port": port, "key_file": file})
    elif file:
        err().line(f"Callers send the owner key as `Authorization: Bearer …`. It is in {file}")
    else:
        err().line("Without a key anyone on this machine may come in (--no-auth).", "yellow")

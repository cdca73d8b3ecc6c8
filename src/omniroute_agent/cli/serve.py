"""`serve`: the server over HTTP."""

import gc

from omniroute_agent import __version__
from omniroute_agent.app import open_house
from omniroute_agent.cli.agent_door import agent_door
from omniroute_agent.cli.inbound import access_of, certificate_of, issuer_of, limits_of, tokens_of
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.page import err, print_json
from omniroute_agent.cli.publishing import Note
from omniroute_agent.cli.shown import shown
from omniroute_agent.cli.start import Start
from omniroute_agent.doors.holders import Holder, key_digest
from omniroute_agent.doors.keybook import KeyBook
from omniroute_agent.doors.listen import MCP_IS_AT, serve_http, url_of
from omniroute_agent.doors.mcp.http import DOOR as MCP_DOOR
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.needs import Needs
from omniroute_agent.doors.mcp.offered import needs_of
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.doors.mcp.witness import refusals
from omniroute_agent.doors.observing import HEALTH_PATHS, observing_routes
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.logs import begin_logs
from omniroute_agent.settings.inbound import ServerSettings
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.private import OWNER_KEY_FILE, owner_key
from omniroute_agent.store.keys import KeyRows
from omniroute_agent.tooling.parts import Parts

DOOR = "http"
_COLLECT_AFTER = 20_000
"""Objects more than before. A call makes about a hundred; with Python's own 700 the collector would look around after
every seventh call.
"""
_OWNER = Holder(id="owner", scopes=frozenset(("*",)))


def serve_http_door(start: Start, *, host: str | None, port: int | None, no_auth: bool, as_json: bool) -> int:
    settings = start.settings({"server.host": host, "server.port": port})
    begin_logs(settings.log.format, settings.log.level)
    key = None if no_auth else owner_key(settings.directory)
    run(lambda: _serve(settings, start, key, as_json=as_json))
    return 0


async def _serve(settings: Settings, start: Start, key: Secret | None, *, as_json: bool) -> None:
    async with open_house(settings, door=DOOR) as house:
        # What is loaded by now stays: to look through it again and again would hold up a request for 30 ms each time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)

        async def parts() -> Parts:
            return house.parts

        view = shown(settings, house.tools)
        agent = agent_door(house, keys=key is not None)
        app = http_app(
            lambda door: make_server(house.tools, parts, caller_of, door=door, version=__version__, view=view),
            {} if key is None else {key_digest(key): _OWNER},
            house.parts.ports,
            book=KeyBook(KeyRows(house.parts.database), house.parts.ports),
            credentials=tokens_of(settings.auth, house.parts.ports),
            issuer=issuer_of(settings.auth),
            access=access_of(settings.server),
            limits=limits_of(settings.server),
            needs=Needs(house.tools, needs_of(house.tools)),
            changed=(house.parts.news.grants_changed,),
            refused=refusals(parts, MCP_DOOR),
            anyone=_OWNER if key is None else None,
            routes=[*observing_routes(house.parts), *agent.routes],
            open_paths=agent.open_paths | (HEALTH_PATHS if settings.server.open_health else frozenset()),
            lifespans=agent.lifespans,
            closing=agent.closing,
        )
        host = settings.server.host
        note = Note(settings, start, key, house.parts.ledger.instance)

        def ready(taken: int) -> None:
            note.leave(taken)
            house.parts.heartbeat.listens_at(_url(settings.server, taken))
            _tell_ready(settings, taken, needs_key=key is not None, as_json=as_json)

        certificate = certificate_of(settings.server)
        await serve_http(
            app,
            host,
            settings.server.port,
            ready=ready,
            leaving=note.remove,
            certificate=certificate,
            serves=f"{MCP_IS_AT}; A2A at /a2a" if settings.a2a.enabled else MCP_IS_AT,
        )


def _tell_ready(settings: Settings, port: int, *, needs_key: bool, as_json: bool) -> None:
    """Where to find the key; never the key itself. The door has said where it listens."""
    file = str(settings.directory / OWNER_KEY_FILE) if needs_key else None
    if as_json:
        print_json({"url": f"{_url(settings.server, port)}/mcp", "port": port, "key_file": file})
    elif file:
        err().line(f"Callers send the owner key as `Authorization: Bearer …`. It is in {file}")
    else:
        err().line("Without a key anyone on this machine may come in (--no-auth).", "yellow")


def _url(server: ServerSettings, port: int) -> str:
    return url_of(server.host, port, secure=server.tls_cert is not None)

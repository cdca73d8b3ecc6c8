"""`mcp`: through the gateway that runs already, or in this process. Decided before anything heavy is loaded."""

import sys
from dataclasses import dataclass

from omniroute_agent import __version__
from omniroute_agent.cli.gateways import Gateway, published
from omniroute_agent.cli.likeness import likeness, schema
from omniroute_agent.cli.start import Start
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.ids import SortableIds
from omniroute_agent.settings.glance import glance
from omniroute_agent.settings.private import owner_key
from omniroute_agent.settings.problems import SettingsError
from omniroute_agent.store.living import lives

DOOR = "mcp-stdio"


@dataclass(frozen=True, slots=True)
class _Way:
    gateway: Gateway
    key: Secret


def open_window(start: Start, scopes: str, *, forward: bool = True) -> int:
    """Serve MCP on stdin and stdout until the client leaves. One line on stderr says which way was taken, where there
    was a choice.
    """
    way = _way(start, scopes) if forward else ""
    # The imports in here are lazy: a window has one way or the other, and the second costs twenty times the first.
    if isinstance(way, str):
        if way:
            _say(f"MCP in this process: {way}.")
        from omniroute_agent.cli.stdio import serve_mcp  # noqa: PLC0415 (lazy)

        return serve_mcp(start, scopes, f"stdio-{SortableIds()()}")
    from omniroute_agent.doors.mcp.forward.window import Address, serve_window  # noqa: PLC0415 (lazy)

    _say(f"MCP through the gateway at {way.gateway.url} (process {way.gateway.pid}).")
    session = f"stdio-{SortableIds()()}"
    address = Address(host=way.gateway.host, port=way.gateway.port, key=way.key, session=session, door=DOOR)
    handover = serve_window(address)
    if handover is None:
        return 0
    _say(f"{handover.why}; MCP in this process from here on.")
    from omniroute_agent.cli.stdio import serve_mcp  # noqa: PLC0415 (lazy)

    return serve_mcp(start, scopes, session, handover)


def _way(start: Start, scopes: str) -> _Way | str:
    """The gateway to forward to, or why there is none."""
    directory = glance(start.config, start.data_dir).directory
    gateway = published(directory)
    if gateway is None:
        return "no gateway runs for this data directory"
    if not lives(directory, gateway.instance):
        return "the gateway of this data directory has ended"
    if (gateway.program, gateway.schema) != (__version__, schema()):
        return f"the running gateway is of another version ({gateway.program})"
    try:
        key = owner_key(directory)
        alike = likeness(key, start, scopes, variables=gateway.variables, files=gateway.files)
    except (SettingsError, ValueError):
        return "something is wrong with how it was started"  # told in full by what comes now
    if alike != gateway.likeness:
        return "the running gateway has other settings, keys, scopes or tools"
    return _Way(gateway, key)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()

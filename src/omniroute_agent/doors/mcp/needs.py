"""Which scopes a message needs, read off the message itself: so the answer can be given before any session is asked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from mcp_types import JSONRPCMessage, JSONRPCRequest

from omniroute_agent.doors.access import Headers
from omniroute_agent.kernel.scopes import PRESETS
from omniroute_agent.tooling.tool import Tool

NeedsOf = Callable[[Mapping[str, Any]], Iterable[str]]
"""The `params` of a request → the scopes it needs."""

_NOTHING: Final[frozenset[str]] = frozenset()


class Needs:
    def __init__(self, tools: Sequence[Tool] = (), also: Mapping[str, NeedsOf] | None = None) -> None:
        """`also` tells what methods other than `tools/call` need."""
        self._tools = {tool.name: tool.scopes for tool in tools}
        self._also = dict(also or {})

    def of_message(self, message: JSONRPCMessage) -> frozenset[str]:
        """What is not known here needs nothing here: the server behind refuses it in its own words."""
        if not isinstance(message, JSONRPCRequest):
            return _NOTHING
        params = message.params or {}
        if message.method == "tools/call":
            name = params.get("name")
            return self._tools.get(name, _NOTHING) if isinstance(name, str) else _NOTHING
        needs = self._also.get(message.method)
        return _NOTHING if needs is None else frozenset(needs(params))

    def of_headers(self, headers: Headers) -> tuple[str, ...]:
        """Advice to somebody without a credential: the scopes of the tool that the headers name, else all reads."""
        names = headers.get(b"mcp-name", ())
        scopes = self._tools.get(names[0].decode("latin-1")) if len(names) == 1 else None
        return tuple(sorted(scopes or PRESETS["readonly"]))

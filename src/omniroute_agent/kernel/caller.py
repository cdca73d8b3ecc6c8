"""Who asks. The identity comes from the connection, never from an argument."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from omniroute_agent.kernel.errors import NotAllowed
from omniroute_agent.kernel.scopes import missing
from omniroute_agent.kernel.view import EVERYTHING, View

OWNER_ID: Final = "owner"
"""The caller on stdio, in the terminal and behind the owner key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    id: str
    """`owner` on stdio and for the owner key; a key's own id otherwise."""
    scopes: frozenset[str]
    session: str
    """Name of the session its requests are counted in: the process on stdio, the MCP session id or a name on HTTP."""
    view: View = EVERYTHING
    """The tools its key shows, of those its scopes allow."""
    door: str | None = None
    """The door that the owner's window came through, where another passed its call on; None: the one that answers."""

    def require(self, scopes: Iterable[str]) -> None:
        """
        Raises:
            NotAllowed: names every missing scope at once.
        """
        lacking = missing(self.scopes, scopes)
        if lacking:
            raise NotAllowed(
                f"This needs the scope{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}.",
                hint="Ask the owner to start the server or issue the key with it.",
                facts={"missing": list(lacking)},
            )

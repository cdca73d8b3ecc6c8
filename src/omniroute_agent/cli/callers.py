"""Whom a command is about, as the owner says it: a key by its name or id, the subject of a token, or the owner."""

from typing import Final

from omniroute_agent.kernel.caller import OWNER_ID
from omniroute_agent.kernel.errors import not_found
from omniroute_agent.store.database import Database
from omniroute_agent.store.keys import KeyRows

_OF_TOKENS: Final = ("token:", "token#")
"""How the ids of callers begin whom only their issuer knows."""


async def caller_ids(database: Database, said: str) -> tuple[str, ...]:
    """Under which ids the books have that caller; the present key first, because other keys may have had its name.

    Raises:
        NotFound: nobody is called so.
    """
    if said == OWNER_ID or said.startswith(_OF_TOKENS):
        return (said,)
    _, rows = await KeyRows(database).all()
    if any(row.id == said for row in rows):
        return (said,)
    named = [row for row in rows if row.name == said]
    if not named:
        raise not_found("caller", said, [OWNER_ID, *dict.fromkeys(row.name for row in rows)])
    named.sort(key=lambda row: (row.revoked_at is None, row.created_at), reverse=True)
    return tuple(row.id for row in named)


def told(said: str, ids: tuple[str, ...]) -> str:
    """Of whom, for a sentence."""
    return said if ids == (said,) else f"{said} ({', '.join(ids)})"

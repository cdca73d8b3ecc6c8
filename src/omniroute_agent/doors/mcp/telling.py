"""Telling clients of the handshake era what they did not ask for: within a second, or they do without it."""

from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import anyio
from mcp.server.connection import Connection
from mcp.server.session import ServerSession
from mcp_types import ServerNotification, ToolListChangedNotification

SEND_SECONDS: Final = 1.0
"""A client that does not read must hold up nobody."""


async def tell(session: ServerSession, *news: ServerNotification) -> None:
    """A client that went away meanwhile, or does not listen, is no trouble of the others."""
    with anyio.move_on_after(SEND_SECONDS), suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        for each in news:
            await session.send_notification(each)


def connection_of(session: ServerSession) -> Connection:
    """The SDK gives handlers no other way to what lasts as long as the connection does (mcp 2.3.0)."""
    return session._connection  # noqa: SLF001 (see above)  # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True, slots=True)
class _Follower:
    caller: str
    session: ServerSession


class ListFollowers:
    """Clients that have listed the tools, and so want to know when the list becomes another one."""

    def __init__(self) -> None:
        self._followers: dict[Connection, _Follower] = {}

    def add(self, session: ServerSession, caller_id: str) -> None:
        connection = connection_of(session)
        if connection not in self._followers:
            connection.exit_stack.callback(self._followers.pop, connection, None)
        self._followers[connection] = _Follower(caller_id, session)

    async def tell_changed(self, callers: Container[str]) -> None:
        """Tell the clients of these callers, all at once, that their list of tools may have changed."""
        async with anyio.create_task_group() as group:
            for follower in self._followers.values():
                if follower.caller in callers:
                    group.start_soon(tell, follower.session, ToolListChangedNotification())

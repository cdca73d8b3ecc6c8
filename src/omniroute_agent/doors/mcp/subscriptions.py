"""Telling clients what changed: on a stream they open for it since 2026-07-28, before that on the connection itself.

Told are changes of health and of combos, to those who subscribed, and of the lists when grants or combos change.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import quote

from mcp.server.connection import Connection
from mcp.server.session import ServerSession
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp_types import (
    EmptyResult,
    ResourceUpdatedNotification,
    ResourceUpdatedNotificationParams,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from omniroute_agent.doors.mcp.resources import COMBOS, HEALTH, found
from omniroute_agent.doors.mcp.telling import connection_of, tell
from omniroute_agent.doors.mcp.visit import GONE_BEFORE_2026, Context, Visit, protocol_error
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import CallError, InvalidRequest, LimitReached, NotFound
from omniroute_agent.kernel.news import Change, Topic

_MOST_STREAMS: Final = 256
_MOST_STREAMS_OF_ONE: Final = 64
"""Of one caller: nobody takes all places."""
_MOST_ADDRESSES: Final = 100
"""Of one client."""


@dataclass(slots=True)
class _Client:
    """A connection of the handshake era that is told something."""

    session: ServerSession
    addresses: set[str] = field(default_factory=set[str])
    leave: Callable[[], None] | None = None


class Subscriptions:
    """Those of one server."""

    def __init__(self) -> None:
        self._streams: Counter[str] = Counter()
        """By caller."""
        self._clients: dict[Connection, _Client] = {}

    async def listen(
        self, ctx: Context, params: SubscriptionsListenRequestParams, visit: Visit
    ) -> SubscriptionsListenResult:
        """One stream, until its client leaves or is sent away.

        Raises:
            MCPError: there are too many streams.
        """
        caller = visit.caller.id
        if self._streams[caller] >= _MOST_STREAMS_OF_ONE or self._streams.total() >= _MOST_STREAMS:
            raise protocol_error(LimitReached("Too many clients listen already.", hint="Close a stream first."))
        asked = params.notifications
        addresses = [uri for uri in (asked.resource_subscriptions or ())[:_MOST_ADDRESSES] if _tells(visit, uri)]
        kept = asked.model_copy(update={"resource_subscriptions": addresses or None})
        bus = InMemorySubscriptionBus()
        self._streams[caller] += 1
        try:
            parts = await visit.open()
            leave = parts.news.listen(partial(_publish, bus, visit.caller), *_topics(kept))
            try:
                await parts.watch.look()
                return await ListenHandler(bus)(ctx, params.model_copy(update={"notifications": kept}))
            finally:
                leave()
        finally:
            self._streams[caller] -= 1
            if not self._streams[caller]:
                del self._streams[caller]

    async def subscribe(self, ctx: Context, params: SubscribeRequestParams, visit: Visit) -> EmptyResult:
        """
        Raises:
            MCPError: no such resource, not for this caller, or none that tells changes.
        """
        uri = str(params.uri)
        try:
            resource, name = found(uri)
            visit.require(resource.tool)
            if not _tells(visit, uri):
                raise InvalidRequest("This resource tells no changes.", hint=f"{HEALTH} and {COMBOS}… do.")
            parts = await visit.open()
            if resource.variable is not None:
                await parts.combos.named(name)
        except NotFound as error:
            raise protocol_error(error, code=GONE_BEFORE_2026, uri=uri) from None
        except CallError as error:
            raise protocol_error(error, uri=uri) from None
        client = self._client(ctx.session)
        if len(client.addresses) >= _MOST_ADDRESSES:
            raise protocol_error(LimitReached("Too many subscriptions.", hint="Unsubscribe from one first."), uri=uri)
        if client.leave is None:
            client.leave = parts.news.listen(partial(_send_updates, client), "combos", "health")
        client.addresses.add(uri)
        await parts.watch.look()
        return EmptyResult()

    async def unsubscribe(self, ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        client = self._clients.get(connection_of(ctx.session))
        if client is not None:
            client.addresses.discard(str(params.uri))
            if not client.addresses and client.leave is not None:
                client.leave()
                client.leave = None
        return EmptyResult()

    def _client(self, session: ServerSession) -> _Client:
        connection = connection_of(session)
        known = self._clients.get(connection)
        if known is None:
            known = self._clients[connection] = _Client(session)
            connection.exit_stack.callback(self._forget, connection)
        return known

    def _forget(self, connection: Connection) -> None:
        leave = self._clients.pop(connection).leave
        if leave is not None:
            leave()


def _tells(visit: Visit, uri: str) -> bool:
    """Whether changes of that resource are told, and to this caller. Only the address as it is listed will do."""
    try:
        resource, name = found(uri)
    except NotFound:
        return False
    return uri in (HEALTH, COMBOS + quote(name, safe="")) and visit.may(resource.tool)


def _topics(asked: SubscriptionFilter) -> set[Topic]:
    topics: set[Topic] = set()
    if asked.tools_list_changed or asked.prompts_list_changed or asked.resources_list_changed:
        topics.add("grants")
    addresses = asked.resource_subscriptions or ()
    if asked.resources_list_changed or any(uri != HEALTH for uri in addresses):
        topics.add("combos")
    if HEALTH in addresses:
        topics.add("health")
    return topics


def _events(change: Change) -> list[ServerEvent]:
    match change.topic:
        case "grants":
            return [ToolsListChanged(), PromptsListChanged(), ResourcesListChanged()]
        case "health":
            return [ResourceUpdated(uri=HEALTH)]
        case "combos":
            updated: list[ServerEvent] = [
                ResourceUpdated(uri=COMBOS + quote(name, safe="")) for name in sorted(change.names)
            ]
            return [*updated, ResourcesListChanged()] if change.listed else updated


async def _publish(bus: InMemorySubscriptionBus, caller: Caller, change: Change) -> None:
    if change.topic == "grants" and change.names and caller.id not in change.names:
        return
    for event in _events(change):
        await bus.publish(event)


async def _send_updates(client: _Client, change: Change) -> None:
    uris = [event.uri for event in _events(change) if isinstance(event, ResourceUpdated)]
    news = [
        ResourceUpdatedNotification(params=ResourceUpdatedNotificationParams(uri=uri))
        for uri in uris
        if uri in client.addresses
    ]
    await tell(client.session, *news)

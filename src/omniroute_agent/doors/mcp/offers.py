"""What the server offers beside its tools: resources, prompts, completions and news of changes.

Each part is loaded when a client first asks for it: a client is greeted before.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp_types import (
    CompleteRequestParams,
    EmptyResult,
    GetPromptRequestParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from omniroute_agent.doors.mcp.visit import Context, Visit, Wire, visit_of
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.tooling.tool import PREFIX, Tool

if TYPE_CHECKING:  # see above
    from omniroute_agent.doors.mcp.subscriptions import Subscriptions
    from omniroute_agent.tooling.parts import Parts

_LISTS: Final = ("resources/list", "resources/templates/list", "prompts/list")
_FRESH_MS: Final = 60_000


class Offers:
    def __init__(
        self,
        tools: Sequence[Tool],
        parts: Callable[[], Awaitable["Parts"]],
        who: Callable[[Context], Caller],
        door: str,
    ) -> None:
        self._tools = {tool.name.removeprefix(PREFIX): tool for tool in tools}
        self._parts = parts
        self._who = who
        self._door = door
        self._told: Subscriptions | None = None

    def add_to(self, server: Server[Any]) -> None:
        add = server.add_request_handler
        add("resources/list", PaginatedRequestParams, self._list_resources)
        add("resources/templates/list", PaginatedRequestParams, self._list_templates)
        add("resources/read", ReadResourceRequestParams, self._read_resource)
        add("resources/subscribe", SubscribeRequestParams, self._subscribe)
        add("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        add("prompts/list", PaginatedRequestParams, self._list_prompts)
        add("prompts/get", GetPromptRequestParams, self._get_prompt)
        add("completion/complete", CompleteRequestParams, self._complete)
        add("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        for method in _LISTS:
            server.cache_hints[method] = CacheHint(ttl_ms=_FRESH_MS, scope="private")
        server.cache_hints["resources/read"] = CacheHint(ttl_ms=0, scope="private")

    def _visit(self, ctx: Context) -> Visit:
        return visit_of(ctx, self._who(ctx), self._tools, self._door, self._parts)

    async def _list_resources(self, ctx: Context, params: PaginatedRequestParams) -> Wire:
        from omniroute_agent.doors.mcp.resources import list_resources  # noqa: PLC0415 (lazy)

        return await list_resources(self._visit(ctx), params)

    async def _list_templates(self, ctx: Context, params: PaginatedRequestParams) -> Wire:
        from omniroute_agent.doors.mcp.resources import list_templates  # noqa: PLC0415 (lazy)

        return await list_templates(self._visit(ctx), params)

    async def _read_resource(self, ctx: Context, params: ReadResourceRequestParams) -> Wire:
        from omniroute_agent.doors.mcp.resources import read_resource  # noqa: PLC0415 (lazy)

        return await read_resource(self._visit(ctx), params)

    async def _list_prompts(self, ctx: Context, params: PaginatedRequestParams) -> Wire:
        from omniroute_agent.doors.mcp.prompts import list_prompts  # noqa: PLC0415 (lazy)

        return await list_prompts(self._visit(ctx), params)

    async def _get_prompt(self, ctx: Context, params: GetPromptRequestParams) -> Wire:
        from omniroute_agent.doors.mcp.prompts import get_prompt  # noqa: PLC0415 (lazy)

        return await get_prompt(self._visit(ctx), params)

    async def _complete(self, ctx: Context, params: CompleteRequestParams) -> Wire:
        from omniroute_agent.doors.mcp.completions import complete  # noqa: PLC0415 (lazy)

        return await complete(self._visit(ctx), params)

    async def _listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        return await self._subscriptions().listen(ctx, params, self._visit(ctx))

    async def _subscribe(self, ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        return await self._subscriptions().subscribe(ctx, params, self._visit(ctx))

    async def _unsubscribe(self, ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        return await self._subscriptions().unsubscribe(ctx, params)

    def _subscriptions(self) -> "Subscriptions":
        from omniroute_agent.doors.mcp.subscriptions import Subscriptions  # noqa: PLC0415 (lazy)

        if self._told is None:
            self._told = Subscriptions()
        return self._told

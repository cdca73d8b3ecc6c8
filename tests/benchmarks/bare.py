"""What our MCP doors are measured against: the SDK's low-level server, with the tools and the answer of a recording."""

from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server as LowLevel

Message = dict[str, Any]


def bare_server(recording: Message) -> LowLevel[Any]:
    """`recording` has what ours answered: `list` to `tools/list`, `call` to one call."""
    listed = types.ListToolsResult.model_validate(recording["list"])
    answer = recording["call"]
    schemas = {tool.name: tool.input_schema for tool in listed.tools}

    async def list_tools(_ctx: Any, _params: Any) -> types.ListToolsResult:
        return listed

    async def call_tool(_ctx: Any, _params: Any) -> types.CallToolResult:
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=answer["content"][0]["text"])],
            structured_content=answer.get("structuredContent"),
        )

    return LowLevel(
        "bare",
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=schemas.get,
        cache_hints={"tools/list": CacheHint(60_000, "private")},
    )

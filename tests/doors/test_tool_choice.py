"""Which tools are shown: the owner's choice for a server, a key's own, and the caller's scopes, all at once."""

from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from doors.small_tools import OWNER, parts_of
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.kernel.errors import InvalidRequest, NotFound
from omniroute_agent.kernel.scopes import parse_scopes
from omniroute_agent.kernel.view import EVERYTHING, View
from omniroute_agent.tooling.view import allowed, read_view
from omniroute_tools import TOOLS

NAMES = [tool.name for tool in TOOLS]
BOTH_ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


def shown(**words: Any) -> set[str]:
    view = read_view(NAMES, **words)
    return {tool.name.removeprefix("omniroute_") for tool in TOOLS if allowed(view, tool)}


def client_of(view: View = EVERYTHING, *, key: View = EVERYTHING, scopes: str = "full", mode: str = "legacy") -> Client:
    caller = replace(OWNER, scopes=parse_scopes([scopes]), view=key)
    return Client(make_server(TOOLS, parts_of(), caller, door="mcp-stdio", version="1", view=view), mode=mode)


def test_without_a_choice_everything_is_shown() -> None:
    assert len(shown()) == len(shown(toolsets=["all"])) == len(TOOLS)


def test_toolsets_and_tools_add_up() -> None:
    assert shown(tools=["cost_report"]) == {"cost_report"}
    core = {tool.name.removeprefix("omniroute_") for tool in TOOLS if "core" in tool.toolsets}
    assert shown(toolsets=["core"]) == core
    assert shown(toolsets=["core"], tools=["omniroute_sync_pricing"]) == core | {"sync_pricing"}
    assert shown(toolsets=["core", "all"], tools=["cost_report"]) == shown()


def test_an_excluded_tool_is_never_shown_and_read_only_wins_over_everything() -> None:
    assert "route_request" not in shown(exclude=["route_request"])
    assert "route_request" not in shown(tools=["route_request", "cost_report"], exclude=["route_request"])
    reading = {tool.name.removeprefix("omniroute_") for tool in TOOLS if tool.hints.read_only}
    assert shown(read_only=True) == reading
    assert shown(tools=["route_request"], read_only=True) == set()


def test_a_toolset_whose_tools_are_not_there_yet_shows_nothing() -> None:
    assert shown(toolsets=["memory"]) == {
        tool.name.removeprefix("omniroute_") for tool in TOOLS if "memory" in tool.toolsets
    }


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ({"toolsets": ["cor"]}, InvalidRequest, "Did you mean `core`?"),
        ({"toolsets": ["zzz"]}, InvalidRequest, "core, routing, insight, memory, skills, all"),
        ({"tools": ["route_reqest"]}, NotFound, "`omniroute_route_request`"),
        ({"exclude": ["omniroute_get_helth"]}, NotFound, "`omniroute_get_health`"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(words: dict[str, Any], error: Any, says: str) -> None:
    with pytest.raises(error) as raised:
        read_view(NAMES, **words)
    assert says in raised.value.sentence()


@BOTH_ERAS
async def test_the_list_is_what_the_server_the_key_and_the_scopes_all_allow(mode: str) -> None:
    server, key = read_view(NAMES, toolsets=["core"]), read_view(NAMES, exclude=["get_health"])
    async with client_of(server, key=key, scopes="readonly", mode=mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert names == {
        tool.name
        for tool in TOOLS
        if "core" in tool.toolsets and tool.hints.read_only and tool.name != "omniroute_get_health"
    }


@BOTH_ERAS
@pytest.mark.parametrize("whose", ["server", "key"])
async def test_a_tool_that_is_not_shown_cannot_be_called_and_the_error_says_why(mode: str, whose: str) -> None:
    view = read_view(NAMES, read_only=True)
    server, key = (view, EVERYTHING) if whose == "server" else (EVERYTHING, view)
    async with client_of(server, key=key, mode=mode) as client:
        with pytest.raises(MCPError) as raised:
            await client.call_tool("omniroute_route_request", {"messages": [{"role": "user", "content": "Hi"}]})
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("omniroute_route_reqest", {})
    assert raised.value.error.code == unknown.value.error.code == -32602
    assert "switched off" in raised.value.error.message
    assert "--read-only" in raised.value.error.message
    assert "omniroute_route_request" not in unknown.value.error.message


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_advice_speaks_only_of_what_this_caller_is_shown(mode: str) -> None:
    async with client_of(key=read_view(NAMES, read_only=True), scopes="monitor", mode=mode) as client:
        advice = client.instructions or ""
        names = {tool.name for tool in (await client.list_tools()).tools}
    told = {word.strip(".,:;") for word in advice.split() if word.startswith("omniroute_")}
    assert told
    assert told <= names

"""Every tool × many sets of scopes × every way in: who may call what, held against a table written by hand."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from mcp import Client
from mcp.shared.exceptions import MCPError

from doors.asgi import Answer, begun, knock
from doors.http_rig import MODERN_META
from fakes import FakeClock, fake_ports
from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.holders import Holder
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.needs import Needs
from omniroute_agent.doors.mcp.server import ERROR_META, make_server
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.scopes import PRESETS, SCOPES
from omniroute_agent.tooling.parts import Parts
from omniroute_tools import TOOLS

WILDCARDS = ("*", "read:*", "write:*", "execute:*")
ENOUGH: dict[str, frozenset[str]] = {
    scope: frozenset({scope, "*", f"{scope.partition(':')[0]}:*"})
    | (frozenset({f"write:{scope.partition(':')[2]}", "write:*"}) if scope.startswith("read:") else frozenset())
    for scope in SCOPES
}
"""A scope → every word that grants it."""

Scopes = frozenset[str]


def subsets() -> list[Scopes]:
    """None, each alone, each pair with `read:usage`, all but one, wildcards, wildcards in pairs, presets."""
    found: list[Scopes] = [frozenset(), frozenset(SCOPES)]
    found += [frozenset({word}) for word in (*SCOPES, *WILDCARDS)]
    found += [frozenset(pair) for pair in combinations((*SCOPES, *WILDCARDS), 2)]
    found += [frozenset(SCOPES) - {scope} for scope in SCOPES]
    found += PRESETS.values()
    return list(dict.fromkeys(found))


def lacking(granted: Scopes, needed: Scopes) -> list[str]:
    return sorted(scope for scope in needed if not granted & ENOUGH[scope])


class Worn:
    """Whoever says which scopes it has is believed: this test is about what comes after."""

    def ours(self, presented: bytes) -> bool:
        return b";" in presented

    async def find(self, presented: bytes) -> Holder:
        number, _, words = presented.decode().partition(";")
        return Holder(id=f"key-{number}", scopes=frozenset(words.split()))


async def nothing_behind() -> Parts:
    raise StoreUnavailable("The tool was reached.")


def new_app() -> Gate:
    return http_app(
        lambda door: make_server(TOOLS, nothing_behind, caller_of, door=door, version="1"),
        {},
        fake_ports(clock=FakeClock()),
        credentials=(Worn(),),
        needs=Needs(TOOLS),
    )


def key_of(number: int, scopes: Scopes) -> dict[str, str]:
    return {"Authorization": f"Bearer {number};{' '.join(sorted(scopes))}"}


def call(name: str, meta: dict[str, Any] | None) -> dict[str, Any]:
    params: dict[str, Any] = {"name": name, "arguments": {}, **({"_meta": meta} if meta else {})}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def code_of(result: dict[str, Any]) -> str:
    """Of a tool that has nothing behind it: it complains of that, or of its arguments."""
    found: str = result["_meta"][ERROR_META]["code"]
    return found


def faults(answer: Answer, granted: Scopes, needed: Scopes, where: str) -> Iterator[str]:
    expected = lacking(granted, needed)
    if not expected:
        if answer.status != 200 or code_of(answer.json["result"]) not in {"store_unavailable", "invalid_request"}:
            yield f"{where}: refused although {sorted(granted)} suffices"
        return
    if answer.status != 403:
        yield f"{where}: passed with {sorted(granted)}"
        return
    challenge = answer.challenge
    asked = frozenset(challenge["scope"].split())
    if challenge["error"] != "insufficient_scope" or answer.json["error"]["data"]["missing"] != expected:
        yield f"{where}: said {challenge} and {answer.json}"
    if lacking(asked, needed):
        yield f"{where}: a token with just what was asked for, {sorted(asked)}, would be refused again"
    if not granted <= asked:
        yield f"{where}: what the token had would be lost"


async def opened(app: Gate, key: dict[str, str]) -> dict[str, str]:
    """Headers of a session of the handshake era."""
    greeting = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
    greeted = await knock(app, headers=key, body=greeting)
    headers = {**key, "Mcp-Session-Id": greeted.headers["mcp-session-id"]}
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await knock(app, headers=headers, body=initialized)).status == 202
    return headers


async def test_over_http_every_tool_opens_to_just_the_scopes_it_needs() -> None:
    app, wrong, cells = new_app(), list[str](), 0
    async with begun(app):
        for number, granted in enumerate(subsets()):
            key = key_of(number, granted)
            # The handshake era costs a session and passes the same gate: a third of the sets will do.
            legacy = await opened(app, key) if number % 3 == 0 else None
            for tool in TOOLS:
                modern = {
                    **key,
                    "MCP-Protocol-Version": "2026-07-28",
                    "Mcp-Method": "tools/call",
                    "Mcp-Name": tool.name,
                }
                answer = await knock(app, headers=modern, body=call(tool.name, MODERN_META))
                wrong += faults(answer, granted, tool.scopes, f"{tool.name} (modern era)")
                if legacy:
                    answer = await knock(app, headers=legacy, body=call(tool.name, None))
                    wrong += faults(answer, granted, tool.scopes, f"{tool.name} (handshake era)")
                cells += 1 + bool(legacy)
            if legacy:
                await knock(app, method="DELETE", headers=legacy)
    assert wrong == []
    assert cells >= 5000


async def test_behind_every_other_door_the_tool_itself_asks_for_its_scopes() -> None:
    """Stdio and SSE have no gate before the tool: here the same table holds for the result."""
    wrong, cells = list[str](), 0
    for granted in subsets():
        caller = Caller(id="owner", scopes=granted, session="s")
        server = make_server(TOOLS, nothing_behind, caller, door="mcp-stdio", version="1")
        async with Client(server, mode="2026-07-28") as client:
            shown = {tool.name for tool in (await client.list_tools()).tools}
            expected = {tool.name for tool in TOOLS if not lacking(granted, tool.scopes)}
            if shown != expected:
                wrong.append(f"with {sorted(granted)} the list shows {sorted(shown ^ expected)} wrongly")
            for tool in TOOLS:
                refused = (await called(client, tool.name)) == "not_allowed"
                if refused != (tool.name not in expected):
                    wrong.append(f"{tool.name} with {sorted(granted)}: {'refused' if refused else 'passed'}")
                cells += 1
    assert wrong == []
    assert cells >= 2000


async def called(client: Client, name: str) -> str:
    try:
        result = await client.call_tool(name, {})
    except MCPError as error:
        return error.error.message
    assert result.meta is not None
    code: str = result.meta[ERROR_META]["code"]
    return code


def test_the_table_speaks_of_every_scope_and_every_tool() -> None:
    assert set(ENOUGH) == set(SCOPES)
    needed: set[str] = {scope for tool in TOOLS for scope in tool.scopes}
    assert needed <= set(SCOPES)
    assert all(tool.scopes for tool in TOOLS)

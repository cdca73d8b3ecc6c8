"""The examples of `docs/sampling.md`, run against the real program and a scripted provider."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import (
    AudioContent,
    CallToolRequestParams,
    CallToolResult,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    SamplingMessage,
    TextContent,
    Tool,
)

from loopback import MODEL, Loopback, loopback, refuses, says
from programs import COMMAND, lonely_environment

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "docs" / "examples"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+M8AAAIBAQDJ/pLvAAAAAElFTkSuQmCC"


def example(name: str) -> ModuleType:
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(home: Path, provider: Loopback) -> StdioServerParameters:
    (home / "settings.toml").write_text(provider.settings(), "utf-8")
    words = [*COMMAND[1:], "--config", str(home / "settings.toml"), "mcp"]
    return StdioServerParameters(command=sys.executable, args=words, env=lonely_environment(home))


def legacy_server(**request: Any) -> Server[Any]:
    """A server of 2025 whose only tool has its client think."""

    async def list_tools(_ctx: Any, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name="think", input_schema={"type": "object"})])

    async def call_tool(ctx: Any, _params: CallToolRequestParams) -> CallToolResult:
        with pytest.warns(MCPDeprecationWarning):
            made = await ctx.session.create_message(**{"max_tokens": 50, **request})
        told = f"{made.model}|{made.stop_reason}|{made.content.text}"
        return CallToolResult(content=[TextContent(type="text", text=told)])

    return Server("legacy", on_list_tools=list_tools, on_call_tool=call_tool)


@asynccontextmanager
async def thinking(home: Path, provider: Loopback, **request: Any) -> AsyncGenerator[Client, None]:
    shim = example("answer_sampling")
    async with (
        Client(program(home, provider)) as router,
        Client(
            legacy_server(**request),
            mode="legacy",
            sampling_callback=shim.sampling_through(router, budget_usd="0.05", most_tokens=40),
        ) as client,
    ):
        yield client


def user(content: Any) -> SamplingMessage:
    return SamplingMessage(role="user", content=content)


async def test_a_legacy_server_is_answered_through_the_router(tmp_path: Path) -> None:
    asked = [
        user([TextContent(type="text", text="Why?"), ImageContent(type="image", data=PIXEL, mime_type="image/png")])
    ]
    async with loopback(says("Because. STOP Not this.")) as provider:
        request = {"messages": asked, "system_prompt": "Be brief.", "temperature": 0.5, "stop_sequences": [" STOP"]}
        async with thinking(tmp_path, provider, **request) as client:
            answer = await client.call_tool("think", {})
        (sent,) = provider.chats
    assert [block.text for block in answer.content if isinstance(block, TextContent)] == [
        f"fake/{MODEL}|stopSequence|Because."
    ]
    assert sent.body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in sent.body["messages"][1]["content"]] == ["text", "image_url"]
    assert sent.body["temperature"] == 0.5
    assert 40 in (sent.body.get("max_tokens"), sent.body.get("max_completion_tokens"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (AudioContent(type="audio", data="AAAA", mime_type="audio/wav"), "Audio cannot be sent"),
        (TextContent(type="text", text="Why?"), "upstream_failed"),
    ],
)
async def test_what_cannot_be_answered_is_refused_in_words(content: Any, words: str, tmp_path: Path) -> None:
    async with (
        loopback(refuses(500, "boom")) as provider,
        thinking(tmp_path, provider, messages=[user(content)]) as client,
    ):
        with pytest.raises(Exception, match=words):
            await client.call_tool("think", {})


async def test_a_server_without_sampling_asks_the_router_itself(tmp_path: Path) -> None:
    async with loopback(says("Short.")) as provider:
        server = example("ask_the_router").make_server(program(tmp_path, provider))
        async with Client(server) as client:
            answer = await client.call_tool("summarize", {"text": "A long story."})
        (sent,) = provider.chats
    assert [block.text for block in answer.content if isinstance(block, TextContent)] == ["Short."]
    assert sent.body["messages"][1] == {"role": "user", "content": "A long story."}

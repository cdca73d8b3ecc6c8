"""The main job with the official client and the real program: stdio and HTTP in both eras, and SSE."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent

from local_models import real_models
from loopback import MODEL, Cut, Reply, begins, loopback, refuses, says

Mode = Literal["legacy", "2026-07-28"]
MODES: tuple[Mode, ...] = ("legacy", "2026-07-28")
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
TARGET = f"fake/{MODEL}"
TOOLS = 18


def command(directory: Path, settings: str, *words: str) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "config.toml"
    config.write_text(settings, "utf-8")
    return ["-P", "-m", "omniroute_agent", "--config", str(config), "--data-dir", str(directory / "data"), *words]


def bare_environment(directory: Path) -> dict[str, str]:
    """As poor as a desktop client's: no home of ours, no keys."""
    return {"PATH": os.defpath, "HOME": str(directory), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


@asynccontextmanager
async def over_stdio(directory: Path, settings: str, mode: Mode) -> AsyncGenerator[Client, None]:
    server = StdioServerParameters(
        command=sys.executable, args=command(directory, settings, "mcp"), env=bare_environment(directory), cwd="/"
    )
    async with Client(stdio_client(server), mode=mode, read_timeout_seconds=60) as client:
        yield client


@asynccontextmanager
async def serving(directory: Path, settings: str) -> AsyncGenerator[tuple[str, str], None]:
    """The real `serve` on a free port: its address and its owner key."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command(directory, settings, "serve", "--port", "0"),
        env=bare_environment(directory),
        cwd="/",
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        port = None
        async with asyncio.timeout(60):
            while port is None:
                line = (await process.stderr.readline()).decode()
                assert line, "it ended before it listened"
                port = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        yield f"http://127.0.0.1:{port.group(1)}", (directory / "data" / "owner.key").read_text("utf-8").strip()
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0


@asynccontextmanager
async def over_http(directory: Path, settings: str, mode: Mode) -> AsyncGenerator[Client, None]:
    async with (
        serving(directory, settings) as (url, key),
        httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@asynccontextmanager
async def over_sse(directory: Path, settings: str, mode: Mode) -> AsyncGenerator[Client, None]:
    async with (
        serving(directory, settings) as (url, key),
        Client(sse_client(f"{url}/sse", headers={"x-api-key": key}), mode=mode) as client,
    ):
        yield client


WAYS = [
    *[pytest.param(over_stdio, mode, id=f"stdio-{mode}") for mode in MODES],
    *[pytest.param(over_http, mode, id=f"http-{mode}") for mode in MODES],
    pytest.param(over_sse, "legacy", id="sse-legacy"),
]


def structured(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, text(result)
    found: dict[str, Any] | None = result.structured_content
    assert found is not None
    return found


def text(result: CallToolResult) -> str:
    (only,) = result.content
    assert isinstance(only, TextContent)
    return only.text


@pytest.mark.parametrize(("connect", "mode"), WAYS)
async def test_a_client_plans_routes_and_reads_back_why(connect: Any, mode: Mode, tmp_path: Path) -> None:
    told: list[tuple[float, str | None]] = []

    async def progress(done: float, _total: float | None, message: str | None) -> None:
        told.append((done, message))

    async with (
        loopback(says("Hello", " there", usage=(1000, 500))) as provider,
        connect(tmp_path, provider.settings(), mode) as client,
    ):
        tools = await client.list_tools()
        plan = structured(await client.call_tool("omniroute_simulate_route", HELLO))
        assert provider.chats == []
        routed = structured(await client.call_tool("omniroute_route_request", HELLO, progress_callback=progress))
        why = structured(await client.call_tool("omniroute_explain_route", {"request_id": routed["request_id"]}))
        spent = structured(await client.call_tool("omniroute_cost_report", {}))
    assert len(tools.tools) == TOOLS
    assert all(tool.annotations and tool.output_schema for tool in tools.tools)
    assert [choice["target"] for choice in plan["choices"]] == [TARGET]
    assert routed["text"] == "Hello there"
    # 1,000 tokens at 1 USD and 500 at 2 USD per million.
    assert (routed["receipt"]["served_by"], routed["receipt"]["cost"]) == (TARGET, "0.002")
    assert why["receipt"] == routed["receipt"]
    assert why["plan"]["choices"] == plan["choices"]
    assert spent["totals"]["cost"] == "0.002"
    assert told
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert not any("Hello" in (message or "") for _, message in told)


BAD = [
    pytest.param({"model": "fake/fake-modle", **HELLO}, ["not_found", TARGET], id="unknown-model"),
    pytest.param({"combo": "defalt", **HELLO}, ["not_found", "`default`"], id="unknown-combo"),
    pytest.param({**HELLO, "modle": "x"}, ["invalid_request", "modle", "model"], id="unknown-argument"),
    pytest.param({"messages": "Hello"}, ["invalid_request", "messages"], id="wrong-type"),
    pytest.param(
        {"messages": HELLO["messages"], "max_tokens": "many"}, ["invalid_request", "max_tokens"], id="no-number"
    ),
]


@pytest.mark.parametrize(("arguments", "words"), BAD)
async def test_a_mistake_is_named_and_nothing_is_sent(
    arguments: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    async with (
        loopback(says("never")) as provider,
        over_stdio(tmp_path, provider.settings(), "legacy") as client,
    ):
        result = await client.call_tool("omniroute_route_request", arguments)
        assert provider.chats == []
    assert result.is_error
    assert all(word in text(result) for word in words)


async def test_an_unknown_tool_is_a_protocol_error_that_names_the_nearest(tmp_path: Path) -> None:
    async with loopback(says("never")) as provider, over_stdio(tmp_path, provider.settings(), "legacy") as client:
        with pytest.raises(MCPError, match="omniroute_route_request"):
            await client.call_tool("omniroute_route_requests", HELLO)


async def test_a_prompt_of_ten_megabytes_is_sent_or_refused_in_words_and_the_server_lives_on(tmp_path: Path) -> None:
    prompt = {"messages": [{"role": "user", "content": "a word " * 1_500_000}]}
    async with loopback(says("Long")) as provider, over_stdio(tmp_path, provider.settings(), "legacy") as client:
        routed = structured(await client.call_tool("omniroute_route_request", prompt))
        health = structured(await client.call_tool("omniroute_get_health", {}))
    assert routed["receipt"]["tried"][0]["outcome"] == "answered"
    assert health["status"] == "ok"


async def test_without_any_connection_the_server_starts_lists_its_tools_and_says_how_to_get_a_model(
    tmp_path: Path,
) -> None:
    nothing = "[discovery]\nloopback = false\n[local]\nenabled = false\n"
    async with over_stdio(tmp_path, nothing, "legacy") as client:
        tools = await client.list_tools()
        result = await client.call_tool("omniroute_route_request", HELLO)
        health = structured(await client.call_tool("omniroute_get_health", {}))
    assert len(tools.tools) == TOOLS
    assert result.is_error
    assert text(result).startswith("no_route: ")
    assert "OPENAI_API_KEY" in text(result)
    assert "omniroute-agent models pull smollm2-135m" in text(result)
    assert health["status"] == "down"


TROUBLE = [
    pytest.param(refuses(500, "boom"), "server_error", id="500"),
    pytest.param(says("Half", finish=None), "cut_off", id="no-end"),
]


async def _asked_through(
    tmp_path: Path, replies: list[Any], settings: str = ""
) -> tuple[CallToolResult, dict[str, Any]]:
    async with (
        loopback(*replies) as provider,
        over_stdio(tmp_path, provider.settings() + settings, "legacy") as client,
    ):
        result = await client.call_tool("omniroute_route_request", HELLO)
        report = structured(await client.call_tool("omniroute_cost_report", {}))
    return result, report


@pytest.mark.parametrize(("reply", "fault"), TROUBLE)
async def test_an_upstream_in_trouble_is_an_error_in_words_and_leaves_nothing_reserved(
    reply: Any, fault: str, tmp_path: Path
) -> None:
    result, report = await _asked_through(tmp_path, [reply])
    assert result.is_error
    assert text(result).startswith("upstream_failed: ")
    assert fault in text(result)
    assert report["open_reserved"] == "0"


async def test_an_upstream_that_resets_in_mid_stream_is_told_apart_from_an_end(tmp_path: Path) -> None:
    result, report = await _asked_through(tmp_path, [Reply([begins("Half"), Cut()])])
    assert result.is_error
    assert "cut_off" in text(result)
    # What was produced is billed as an estimate.
    assert report["totals"]["estimated_share"] == 1.0


async def test_an_upstream_that_hangs_is_given_up_at_its_limit(tmp_path: Path) -> None:
    never = asyncio.Event()
    result, _ = await _asked_through(
        tmp_path, [Reply([never])], "[limits]\nfirst_token_seconds = 0.3\ntotal_seconds = 1\n"
    )
    assert result.is_error
    assert "first_token_timeout" in text(result)


async def test_a_killed_server_settles_its_request_as_unknown_at_the_next_start_and_reports_it(tmp_path: Path) -> None:
    never = asyncio.Event()
    async with loopback(Reply([begins("Half"), never])) as provider:
        words = command(tmp_path, provider.settings(), "ask", "Hello")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, env=bare_environment(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        await asyncio.wait_for(provider.paused.wait(), 60)
        process.kill()
        await process.communicate()
        async with over_stdio(tmp_path, provider.settings(), "legacy") as client:
            health = structured(await client.call_tool("omniroute_get_health", {}))
            report = structured(await client.call_tool("omniroute_cost_report", {}))
    assert health["settled_orphans"] == 1
    assert report["open_reserved"] == "0"
    assert report["totals"]["requests"] == 1
    assert float(report["totals"]["cost"]) > 0
    assert report["totals"]["estimated_share"] == 1.0


async def test_cancelling_the_call_closes_the_upstream(tmp_path: Path) -> None:
    never = asyncio.Event()
    async with (
        loopback(Reply([begins("Half"), never])) as provider,
        over_stdio(tmp_path, provider.settings(), "2026-07-28") as client,
    ):
        call = asyncio.create_task(client.call_tool("omniroute_route_request", HELLO))
        await asyncio.wait_for(provider.paused.wait(), 60)
        call.cancel()
        await asyncio.wait_for(provider.left.wait(), 30)
        with pytest.raises(asyncio.CancelledError):
            await call
        # The upstream is closed first and the bill written after it: ask until it is.
        async with asyncio.timeout(30):
            while (report := structured(await client.call_tool("omniroute_cost_report", {})))["open_reserved"] != "0":
                pass
    assert float(report["totals"]["cost"]) > 0


@pytest.mark.local_model
async def test_a_real_model_answers_over_stdio(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "models").symlink_to(await real_models())
    settings = "[discovery]\nloopback = false\nenvironment = false\n"
    question = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 24}
    async with over_stdio(tmp_path, settings, "legacy") as client:
        routed = structured(await client.call_tool("omniroute_route_request", question))
    assert routed["text"].strip()
    assert 0 < routed["receipt"]["usage"]["output_tokens"] <= 24
    assert (routed["receipt"]["served_by"], routed["receipt"]["cost"]) == ("local/smollm2-135m", "0")
    assert routed["receipt"]["usage"]["estimated"] is False

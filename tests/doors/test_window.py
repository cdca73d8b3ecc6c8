"""`mcp` beside a running `serve`: when it forwards, what the gateway sees of it, and what happens when that ends."""

import asyncio
import re
import signal
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import ElicitRequestParams, ElicitResult

from doors.http_rig import AUTHORIZED, KEY, OTHER_KEY, call, modern_headers, running
from doors.windows import PATIENCE, WINDOW, Pipes
from loopback import Reply, begins, loopback, says
from programs import COMMAND, ended, lonely_environment, started

BOTH_ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
THROUGH = "MCP through the gateway at http://127.0.0.1:"


@asynccontextmanager
async def window_to(url: str, mode: str, key: str = KEY) -> AsyncGenerator[Client, None]:
    """The official client on a window to the small tools."""
    host, port = url.removeprefix("http://").split(":")
    async with Client(
        StdioServerParameters(command=sys.executable, args=[WINDOW, host, port, key]), mode=mode
    ) as client:
        yield client


@asynccontextmanager
async def gateway(home: Path, settings: str = "", **more: str) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """The real `serve`, once windows can find it."""
    async with started(home, "serve", "--port", "0", settings=settings, **more) as process:
        assert process.stderr
        async with asyncio.timeout(PATIENCE):
            while b"owner key" not in (line := await process.stderr.readline()):
                assert line, "it ended before it was ready"
        yield process


async def way_of(home: Path, *words: str, settings: str = "", **more: str) -> str:
    """What a window says on stderr of the way it took."""
    async with started(home, "mcp", *words, settings=settings, **more) as process:
        end = await ended(process)
    assert end.code == 0
    return end.err


@BOTH_ERAS
async def test_what_comes_through_a_window_counts_as_stdio_in_a_session_of_its_own(mode: str) -> None:
    async with running() as rig, window_to(rig.url, mode) as client:
        seen = (await client.call_tool("omniroute_ok", {})).structured_content
        assert seen is not None
        assert (seen["caller"], seen["session"], seen["door"]) == ("owner", "stdio-test", "mcp-stdio")


async def test_only_the_owner_is_believed_to_come_through_a_window() -> None:
    async with running() as rig:
        for key, door in ((KEY, "mcp-stdio"), (OTHER_KEY, "mcp-http")):
            headers = {"Authorization": f"Bearer {key}", "X-Omniroute-Door": "mcp-stdio", **modern_headers("ok")}
            async with rig.http(headers) as http:
                answer = (await http.post("/mcp", json=call("ok"))).json()
            assert answer["result"]["structuredContent"]["door"] == door
        async with rig.http({**AUTHORIZED, "X-Omniroute-Door": "elsewhere", **modern_headers("ok")}) as http:
            answer = (await http.post("/mcp", json=call("ok"))).json()
        assert answer["result"]["structuredContent"]["door"] == "mcp-http"


@BOTH_ERAS
async def test_more_calls_than_there_are_lanes_are_all_answered(mode: str) -> None:
    async with running() as rig, window_to(rig.url, mode) as client:
        calls = [client.call_tool("omniroute_ok", {"text": str(number)}) for number in range(150)]
        said = [answer.structured_content for answer in await asyncio.gather(*calls)]
        assert [each and each["said"] for each in said] == [str(number) for number in range(150)]


async def test_a_window_forwards_to_a_gateway_that_was_started_alike_and_to_no_other(tmp_path: Path) -> None:
    own = "[discovery]\nloopback = false\n"
    key = {"OPENAI_API_KEY": "sk-fake-one"}
    async with gateway(tmp_path, own, **key) as process:
        note = tmp_path / "data" / "gateway.json"
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        assert "sk-fake-one" not in note.read_text("utf-8")
        assert THROUGH in await way_of(tmp_path, settings=own, **key)
        assert THROUGH in await way_of(tmp_path, "--scopes", "full", settings=own, **key, OMNIROUTE_SERVER_PORT="9")
        other = {**key, "OPENAI_API_KEY": "sk-fake-two"}
        assert "in this process: the running gateway has other settings" in await way_of(
            tmp_path, settings=own, **other
        )
        assert not await way_of(tmp_path, "--no-forward", settings=own, **key), "there was no choice to tell of"
        process.send_signal(signal.SIGTERM)
        await ended(process)
        assert not note.exists()


async def test_the_note_of_a_killed_gateway_misleads_nobody(tmp_path: Path) -> None:
    async with gateway(tmp_path) as process:
        process.kill()
        await process.wait()
        assert (tmp_path / "data" / "gateway.json").exists()
        assert "in this process: the gateway of this data directory has ended" in await way_of(tmp_path)


async def test_a_gateway_may_keep_windows_to_themselves(tmp_path: Path) -> None:
    alone = "[server]\nwindows = false\n"
    async with gateway(tmp_path, alone):
        assert "in this process: no gateway runs" in await way_of(tmp_path, settings=alone)


@BOTH_ERAS
async def test_a_gateway_that_dies_is_told_to_who_waits_and_the_window_goes_on(mode: str, tmp_path: Path) -> None:
    never = asyncio.Event()
    async with loopback(Reply([begins("Half"), never]), says("Whole")) as provider:
        settings = provider.settings()
        async with gateway(tmp_path, settings) as server, started(tmp_path, "mcp", settings=settings) as process:
            pipes = Pipes(process, modern=mode != "legacy")
            await pipes.greet()
            await pipes.begin("tools/call", {"name": "omniroute_route_request", "arguments": HELLO})
            await asyncio.wait_for(provider.paused.wait(), PATIENCE)
            server.kill()
            await server.wait()
            error = (await pipes.hear())["error"]
            assert (error["code"], error["data"]) == (-32000, {"code": "gateway_ended"})
            assert "may have been done" in error["message"]
            routed = await pipes.ask("tools/call", {"name": "omniroute_route_request", "arguments": HELLO})
            assert routed["result"]["structuredContent"]["text"] == "Whole"
            listed = await pipes.ask("tools/list", {})
            assert len(listed["result"]["tools"]) > 10
            end = await ended(process)
    assert end.out == ""
    assert "The gateway ended; MCP in this process from here on." in end.err


@BOTH_ERAS
async def test_a_gateway_that_stops_in_good_order_is_not_noticed(mode: str, tmp_path: Path) -> None:
    async with gateway(tmp_path) as server, started(tmp_path, "mcp", settings="") as process:
        pipes = Pipes(process, modern=mode != "legacy")
        await pipes.greet()
        listed = await pipes.ask("tools/list", {})
        server.send_signal(signal.SIGTERM)
        await ended(server)
        again = await pipes.ask("tools/list", {})
        assert again["result"]["tools"] == listed["result"]["tools"]
        assert (await ended(process)).out == ""


async def test_a_window_lets_the_owner_be_asked(tmp_path: Path) -> None:
    asked: list[str] = []

    async def decline(context: Any, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG001 (the SDK names it)
        asked.append(params.message)
        return ElicitResult(action="decline")

    async with gateway(tmp_path):
        command = StdioServerParameters(
            command=COMMAND[0],
            args=[*COMMAND[1:], "--config", str(tmp_path / "settings.toml"), "mcp"],
            env=lonely_environment(tmp_path),
        )
        async with Client(command, mode="legacy", elicitation_callback=decline) as client:
            narrow = {"limit_usd": "1", "period": "day"}
            assert not (await client.call_tool("omniroute_set_budget_guard", narrow)).is_error
            assert (await client.call_tool("omniroute_set_budget_guard", {**narrow, "limit_usd": "9"})).is_error
    assert len(asked) == 1
    assert "9" in asked[0]


async def test_a_window_loads_neither_the_sdk_nor_an_event_loop(tmp_path: Path) -> None:
    async with gateway(tmp_path, ""):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-X", "importtime", "-m", "omniroute_agent", "--config", str(tmp_path / "settings.toml"), "mcp"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=lonely_environment(tmp_path),
        )
        pipes = Pipes(process, modern=True)
        assert len((await pipes.ask("tools/list", {}))["result"]["tools"]) > 10
        said = (await ended(process)).err
    assert THROUGH in said
    loaded = set(re.findall(r"\| +([a-z_0-9]+)", said))
    assert "http" in loaded
    assert not loaded & {"mcp", "mcp_types", "pydantic", "anyio", "asyncio", "starlette", "typer", "rich", "sqlite3"}

"""`mcp` and `serve` as the processes that clients talk to."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from loopback import loopback, says
from programs import COMMAND, ended, lonely_environment, started, told

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="a signal ends the process there")
GREETING = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def server(home: Path, *words: str, settings: str | None = None) -> StdioServerParameters:
    if settings is not None:
        (home / "settings.toml").write_text(settings, "utf-8")
        words = (*words, "--config", str(home / "settings.toml"))
    return StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], "mcp", *words], env=lonely_environment(home), cwd=home
    )


async def test_a_client_is_greeted_and_sees_the_tools_while_the_database_is_closed(tmp_path: Path) -> None:
    async with Client(server(tmp_path)) as client:
        tools = (await client.list_tools()).tools
        assert {"omniroute_route_request", "omniroute_explain_route"} <= {tool.name for tool in tools}
        assert not (tmp_path / "data").exists()
        health = await client.call_tool("omniroute_get_health", {})
        assert health.structured_content is not None
        assert health.structured_content["status"] == "down"
        assert (tmp_path / "data" / "storage.sqlite").exists()
    assert not (tmp_path / "data" / "storage.sqlite-wal").exists(), "the database was not closed in order"


async def test_a_request_goes_all_the_way_and_can_be_explained(tmp_path: Path) -> None:
    async with (
        loopback(says("Hello there.")) as upstream,
        Client(server(tmp_path, settings=upstream.settings())) as client,
    ):
        request = {"messages": [{"role": "user", "content": "Hi"}]}
        routed = (await client.call_tool("omniroute_route_request", request)).structured_content
        assert routed is not None
        assert (routed["text"], routed["receipt"]["cost"]) == ("Hello there.", "0.00002")
        explained = await client.call_tool("omniroute_explain_route", {"request_id": routed["request_id"]})
    assert explained.structured_content is not None
    assert explained.structured_content["receipt"] == routed["receipt"]


async def test_scopes_narrow_what_the_client_sees(tmp_path: Path) -> None:
    async with Client(server(tmp_path, "--scopes", "monitor,read:combos")) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert "omniroute_list_combos" in names
    assert "omniroute_route_request" not in names


async def test_many_calls_at_once_open_the_house_once(tmp_path: Path) -> None:
    async with Client(server(tmp_path)) as client:
        results = await asyncio.gather(*(client.call_tool("omniroute_get_session_snapshot", {}) for _ in range(8)))
    sessions = {result.structured_content["session"] for result in results if result.structured_content}
    assert len(sessions) == 1
    assert not any(result.is_error for result in results)


async def test_a_database_that_cannot_be_opened_fails_the_call_and_not_the_server(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    async with Client(server(tmp_path)) as client:
        failed = await client.call_tool("omniroute_list_combos", {})
        assert failed.is_error
        assert "store_unavailable" in str(failed.content)
        (tmp_path / "data").unlink()
        assert not (await client.call_tool("omniroute_list_combos", {})).is_error


async def test_nothing_but_protocol_is_on_stdout_and_the_end_of_stdin_ends_it(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": GREETING},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "omniroute_list_combos"}},
    ]
    async with started(tmp_path, "mcp") as program:
        assert program.stdin
        assert program.stdout
        answers: list[dict[str, object]] = []
        for line in lines:
            program.stdin.write(json.dumps(line).encode() + b"\n")
            if "id" in line:
                answers.append(json.loads(await asyncio.wait_for(program.stdout.readline(), 20)))
        shown = await ended(program)
    assert [answer["id"] for answer in answers] == [1, 2]
    told = "MCP in this process: no gateway runs for this data directory.\n"
    assert (shown.code, shown.out, shown.err) == (0, "", told)


@POSIX
async def test_a_stdio_server_that_is_told_to_stop_ends_in_order(tmp_path: Path) -> None:
    async with started(tmp_path, "mcp") as program:
        assert program.stdin
        assert program.stdout
        program.stdin.write(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": GREETING}).encode()
        )
        program.stdin.write(b"\n")
        await asyncio.wait_for(program.stdout.readline(), 20)
        program.terminate()
        async with asyncio.timeout(20):
            assert await program.wait() == 0


@POSIX
async def test_over_http_the_owner_key_opens_the_door_and_is_never_shown(tmp_path: Path) -> None:
    async with started(tmp_path, "serve", "--port", "0", "--json") as program:
        assert program.stdout
        assert program.stderr
        ready = json.loads(await asyncio.wait_for(program.stdout.readline(), 20))
        file = tmp_path / "data" / "owner.key"
        assert ready["key_file"] == str(file)
        assert file.stat().st_mode & 0o777 == 0o600
        key = file.read_text().strip()
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.post(ready["url"], json={})).status_code == 401
            http.headers["authorization"] = f"Bearer {key}"
            async with Client(streamable_http_client(ready["url"], http_client=http)) as client:
                assert len((await client.list_tools()).tools) >= 9
                assert not (await client.call_tool("omniroute_get_health", {})).is_error
        program.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            heard = (await program.stderr.read()).decode()
            assert await program.wait() == 0
    assert f"Listening on http://127.0.0.1:{ready['port']}" in heard
    assert key not in heard


@POSIX
async def test_a_person_is_told_where_the_key_lies(tmp_path: Path) -> None:
    async with started(tmp_path, "serve", "--port", "0") as program:
        assert program.stderr
        async with asyncio.timeout(20):
            said = [(await program.stderr.readline()).decode() for _ in range(2)]
            program.send_signal(signal.SIGINT)
            assert await program.wait() == 0
    assert str(tmp_path / "data" / "owner.key") in said[1]


@POSIX
async def test_without_a_key_only_when_asked_for(tmp_path: Path) -> None:
    async with started(tmp_path, "serve", "--port", "0", "--no-auth", "--json") as program:
        assert program.stdout
        ready = json.loads(await asyncio.wait_for(program.stdout.readline(), 20))
        assert ready["key_file"] is None
        async with Client(ready["url"]) as client:
            assert not (await client.call_tool("omniroute_get_health", {})).is_error
    assert not (tmp_path / "data" / "owner.key").exists()


async def test_a_taken_port_is_told_in_a_sentence(tmp_path: Path) -> None:
    async with loopback() as upstream:
        shown = await told(tmp_path, "serve", "--port", str(upstream.port))
    assert shown.code == 1
    assert f"Port {upstream.port} on 127.0.0.1 cannot be had" in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
async def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "owner.key").write_text("orak_" + "0" * 64)
    (tmp_path / "data" / "owner.key").chmod(0o644)
    shown = await told(tmp_path, "serve", "--port", "0")
    assert shown.code == 2
    assert "others may read this file (mode 644)" in shown.err

"""`audit` and `ps`, and the record that servers leave when they end."""

import asyncio
import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agent.cli.conftest import Run
from doors.http_rig import MODERN_META
from omniroute_agent.store.database import FILE
from programs import started, told

PLANTED = "planted-stdio-secret-0123456789"


def called(name: str, number: int = 1, **arguments: Any) -> bytes:
    params = {"name": f"omniroute_{name}", "arguments": arguments, "_meta": MODERN_META}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode() + b"\n"


async def answered(process: asyncio.subprocess.Process, line: bytes) -> dict[str, Any]:
    assert process.stdin
    assert process.stdout
    process.stdin.write(line)
    await process.stdin.drain()
    async with asyncio.timeout(30):
        answer: dict[str, Any] = json.loads(await process.stdout.readline())
    return answer


def test_nothing_called_and_nothing_running_is_said_in_a_sentence(run: Run) -> None:
    assert run("ps").out.startswith("No process runs on ")
    assert run("ps", "--json").json["processes"] == []
    assert run("audit").out == "No such call is on record.\n"
    assert run("audit", "--json").json == {"level": "basic", "calls": []}


@pytest.mark.parametrize("since", ["yesterday", "5 minutes", "2026-13-01"])
def test_a_time_that_is_none_is_refused_with_what_to_say(run: Run, since: str) -> None:
    refused = run("audit", "--since", since, "--json")
    assert refused.code == 2
    assert "15m" in refused.error["hint"]


@pytest.mark.parametrize("end", ["eof", "sigterm"])
async def test_the_last_call_before_the_end_is_on_record(tmp_path: Path, end: str) -> None:
    async with started(tmp_path, "mcp", "--scopes", "readonly") as process:
        await answered(process, called("get_health"))
        await answered(process, called("switch_combo", 2, combo="default", active=True))
        assert process.stdin
        if end == "eof":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            await process.wait()
    shown = await told(tmp_path, "audit", "--json")
    assert [(call["tool"], call["outcome"], call["caller"], call["door"]) for call in shown.json["calls"]] == [
        ("omniroute_switch_combo", "not_allowed", "owner", "mcp-stdio"),
        ("omniroute_get_health", "ok", "owner", "mcp-stdio"),
    ]
    narrowed = await told(tmp_path, "audit", "--tool", "get_health", "--since", "1h")
    assert "get_health" in narrowed.out
    assert "switch_combo" not in narrowed.out


async def test_ps_tells_the_living_from_the_dead(tmp_path: Path) -> None:
    async with started(tmp_path, "serve", "--port", "0", "--json") as server:
        assert server.stdout
        url = json.loads(await server.stdout.readline())["url"]
        async with started(tmp_path, "mcp", "--scopes", "readonly", OMNIROUTE_MCP_FORWARD="false") as window:
            await answered(window, called("get_health"))
            window.kill()
            await window.wait()
            shown = (await told(tmp_path, "ps", "--json")).json["processes"]
            page = (await told(tmp_path, "ps")).out
        server.terminate()
        async with asyncio.timeout(20):
            await server.wait()
    by_door = {each["door"]: each for each in shown}
    assert by_door["http"]["state"] == "running"
    assert by_door["http"]["pid"] == server.pid
    assert url.startswith(by_door["http"]["address"])
    assert by_door["http"]["scopes"] is None
    assert by_door["mcp-stdio"]["state"] == "died"
    assert "read:health" in by_door["mcp-stdio"]["scopes"]
    assert "readonly" in page
    assert "by key" in page


async def test_no_secret_of_the_settings_gets_into_logs_or_the_record(tmp_path: Path) -> None:
    """The provider repeats the key it was sent; the caller plants it in its arguments."""
    settings = f"""
        [audit]
        level = "full"
        [log]
        format = "json"
        level = "debug"
        [[connections]]
        id = "one"
        provider = "custom-openai"
        base_url = "http://127.0.0.1:9/v1"
        key = "{PLANTED}"
        models = ["alpha"]
    """
    lines = "\n".join(line.strip() for line in settings.splitlines())
    async with started(tmp_path, "mcp", settings=lines) as process:
        message = {"role": "user", "content": f"my key is {PLANTED}"}
        await answered(process, called("route_request", model="one/alpha", messages=[message]))
        await answered(process, called("explain_route", 2, request_id=PLANTED[:30]))
        _, errors = await asyncio.wait_for(process.communicate(b""), 20)
    assert PLANTED not in errors.decode()
    announced = "MCP in this process"
    records = [json.loads(line) for line in errors.decode().splitlines() if not line.startswith(announced)]
    assert {record["level"] for record in records} >= {"debug"}
    with sqlite3.connect(tmp_path / "data" / FILE) as database:
        rows = database.execute("SELECT tool, arguments FROM tool_call ORDER BY id").fetchall()
    database.close()
    assert [tool for tool, _ in rows] == ["omniroute_route_request", "omniroute_explain_route"]
    assert all("planted" not in arguments for _, arguments in rows)
    assert "my key is ***" in rows[0][1]


async def test_clear_erases_one_callers_calls(tmp_path: Path) -> None:
    async with started(tmp_path, "mcp") as process:
        await answered(process, called("get_health"))
        await asyncio.wait_for(process.communicate(b""), 20)
    nobody = await told(tmp_path, "audit", "clear", "--caller", "somebody", "--json")
    assert (nobody.code, nobody.error["code"]) == (3, "not_found")
    cleared = await told(tmp_path, "audit", "clear", "--caller", "owner")
    assert cleared.out == "Erased 1 recorded call of owner.\n"
    assert (await told(tmp_path, "audit", "--json")).json["calls"] == []

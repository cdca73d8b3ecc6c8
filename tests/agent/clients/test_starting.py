"""The entry as clients use it: hardly an environment, a directory of theirs, several at once."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from omniroute_agent.cli.snippets import launch_command
from omniroute_agent.cli.start import Start
from omniroute_agent.clients.change import carry_out, plan_install
from omniroute_agent.clients.table import CLIENTS, Client

SETTINGS = "[discovery]\nloopback = false\n[secrets]\nkeyring = false\n[local]\nenabled = false\n"


async def started(stack: AsyncExitStack, entry: dict[str, Any], home: Path, cwd: Path) -> Process:
    process = await asyncio.create_subprocess_exec(
        entry["command"], *entry["args"], stdin=PIPE, stdout=PIPE, env={"HOME": str(home), "PATH": "/usr/bin"}, cwd=cwd
    )

    async def gone() -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    stack.push_async_callback(gone)
    return process


async def asked(process: Process, number: int, method: str, **params: Any) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    process.stdin.write(json.dumps(message).encode() + b"\n")
    async with asyncio.timeout(60):
        while True:
            answer: dict[str, Any] = json.loads(await process.stdout.readline())
            if answer.get("id") == number:
                return answer


async def told(process: Process, method: str) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "method": method}).encode() + b"\n")


async def test_two_servers_start_through_the_installed_entry_and_work_on_one_data_directory(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS, "utf-8")
    start = Start(config=tmp_path / "settings.toml", data_dir=tmp_path / "data")
    file = tmp_path / "mcp.json"
    carry_out(plan_install(CLIENTS["cursor"], file, "omniroute", launch_command(start)))
    entry = json.loads(file.read_text("utf-8"))["mcpServers"]["omniroute"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    async with AsyncExitStack() as stack:
        servers = [await started(stack, entry, tmp_path, elsewhere) for _ in range(2)]
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        greetings = await asyncio.gather(*(asked(server, 1, "initialize", **client) for server in servers))
        assert all(greeting["result"]["serverInfo"] for greeting in greetings)
        for server in servers:
            await told(server, "notifications/initialized")
        answers = await asyncio.gather(
            *(asked(server, 2, "tools/call", name="omniroute_get_health", arguments={}) for server in servers)
        )
        assert not any(answer["result"].get("isError") for answer in answers)
        for server in servers:
            assert server.stdin is not None
            server.stdin.close()
        async with asyncio.timeout(30):
            assert [await server.wait() for server in servers] == [0, 0]
    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "data" / "storage.sqlite").exists()


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client.id)
def test_every_client_is_given_the_same_command_line_with_absolute_paths(client: Client, tmp_path: Path) -> None:
    command = launch_command(Start(config=Path("mine.toml"), data_dir=tmp_path))
    entry = client.shape(command[0], command[1:])
    given = entry.get("cmd") or entry["command"]
    words = [*given] if isinstance(given, list) else [given, *entry["args"]]
    assert words == command
    assert Path(words[0]).is_absolute()
    assert Path(words[words.index("--config") + 1]).is_absolute()
    assert words[-1] == "mcp"

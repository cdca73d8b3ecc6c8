"""MCP over stdio against a real process: the official client in both eras, and raw lines no client would send.

The process serves itself, or is a window to a gateway that runs: no client can tell.
"""

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from mcp import Client, StdioServerParameters

from doors.http_rig import KEY, MODERN_META, call, running
from doors.marks import PATIENCE, Heard, marks_in

SCRIPT = str(Path(__file__).parent / "stdio_server.py")
WINDOW = str(Path(__file__).parent / "window_server.py")
WINDOWS = ("--window",)
BOTH_ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
BOTH_WAYS = pytest.mark.parametrize("how", [(), WINDOWS], ids=["itself", "window"])
EVERY_LOOP = pytest.mark.parametrize(
    "how", [(), ("--asyncio",), WINDOWS], ids=["the program's loop", "asyncio", "window"]
)
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
DISCOVER = {"jsonrpc": "2.0", "id": "probe", "method": "server/discover", "params": {"_meta": MODERN_META}}


@asynccontextmanager
async def script(*arguments: str) -> AsyncIterator[list[str]]:
    """The words after the interpreter's."""
    if arguments != WINDOWS:
        yield [SCRIPT, *arguments]
        return
    async with running() as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        yield [WINDOW, host, port, KEY]


@asynccontextmanager
async def connected(mode: str, *how: str) -> AsyncIterator[Client]:
    async with (
        script(*how) as words,
        Client(StdioServerParameters(command=sys.executable, args=words), mode=mode) as client,
    ):
        yield client


class Raw:
    """The server process and its three pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr

    async def tell(self, *messages: dict[str, Any] | bytes) -> None:
        for message in messages:
            self.stdin.write((message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n")
        await self.stdin.drain()

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            answer: dict[str, Any] = json.loads(await self.stdout.readline())
            return answer

    async def ask(self, message: dict[str, Any] | bytes) -> dict[str, Any]:
        await self.tell(message)
        return await self.hear()

    async def greet(self) -> Self:
        assert "result" in await self.ask(INITIALIZE)
        await self.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    async def end(self) -> tuple[int, str]:
        """Exit status and stderr, once the process has ended by itself."""
        async with asyncio.timeout(PATIENCE):
            said = (await self.stderr.read()).decode()
            return await self.process.wait(), said


@asynccontextmanager
async def raw(*how: str) -> AsyncIterator[Raw]:
    async with script(*how) as words:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=32 * 1024 * 1024,
        )
        server = Raw(process)
        try:
            yield server
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            server.stdin.close()


@BOTH_WAYS
@BOTH_ERAS
async def test_a_client_lists_and_calls_tools_and_hears_progress(mode: str, how: tuple[str, ...]) -> None:
    heard = Heard()
    async with connected(mode, *how) as client:
        assert len((await client.list_tools()).tools) > 3
        slow = await client.call_tool("omniroute_slow", {"steps": 3}, progress_callback=heard)
        assert slow.structured_content == {"steps": 3}
        assert heard == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]
        failed = await client.call_tool("omniroute_fail", {"how": "budget"})
        assert failed.is_error


@BOTH_ERAS
async def test_scopes_of_the_process_narrow_the_list(mode: str) -> None:
    async with connected(mode, "read:health") as client:
        assert "omniroute_guarded" not in {tool.name for tool in (await client.list_tools()).tools}
        assert (await client.call_tool("omniroute_guarded", {})).is_error


@BOTH_WAYS
@BOTH_ERAS
async def test_cancelling_a_call_reaches_the_tool(mode: str, how: tuple[str, ...], tmp_path: Path) -> None:
    async with marks_in(tmp_path) as marks, connected(mode, *how) as client:
        waiting = asyncio.create_task(client.call_tool("omniroute_slow", {"forever": True, "mark": marks.path}))
        assert await marks.next() == "running"
        waiting.cancel()
        assert await marks.next() == "cancelled"
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not (await client.call_tool("omniroute_ok", {})).is_error


@BOTH_WAYS
async def test_a_probe_does_not_decide_the_era_so_initialize_works_after_it(
    how: tuple[str, ...],
) -> None:
    async with raw(*how) as server:
        assert (await server.ask(DISCOVER))["result"]["supportedVersions"] == ["2026-07-28"]
        assert (await server.ask({**DISCOVER, "id": 2}))["id"] == 2
        assert (await server.ask(INITIALIZE))["result"]["protocolVersion"] == "2025-11-25"


@BOTH_WAYS
async def test_a_probe_is_answered_as_the_sdk_answers_it_and_modern_calls_work_after_it(
    how: tuple[str, ...],
) -> None:
    async with raw(*how) as server:
        first = await server.ask(DISCOVER)
        assert (await server.ask(call("ok")))["result"]["structuredContent"]["said"] == "hello"
        assert await server.ask(DISCOVER) == first


@pytest.mark.parametrize(
    ("meta", "code"),
    [({**MODERN_META, "io.modelcontextprotocol/protocolVersion": "2031-01-01"}, -32022), ({}, -32602)],
)
@BOTH_WAYS
async def test_a_probe_that_is_wrong_is_told_so_and_initialize_still_works(
    meta: dict[str, Any], code: int, how: tuple[str, ...]
) -> None:
    async with raw(*how) as server:
        refused = await server.ask({**DISCOVER, "params": {"_meta": meta}})
        assert refused["error"]["code"] == code
        assert "result" in await server.ask(INITIALIZE)


NO_MESSAGES = (
    (b"{oops", -32700, None),
    (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}', -32700, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}', -32700, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 100_000 + b"]" * 100_000 + b"}", -32700, None),
    (b"\xff\xfe", -32700, None),
    (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, None),
    (b'"text"', -32600, None),
    (b'{"jsonrpc":"1.0","id":7,"method":"ping"}', -32600, 7),
    (b'{"jsonrpc":"2.0","id":8,"method":"ping","params":[1]}', -32600, 8),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, None),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, None),
    (b'{"jsonrpc":"2.0","id":9}', -32600, 9),
)


@BOTH_WAYS
async def test_a_line_that_is_no_message_is_answered_and_the_next_one_works(
    how: tuple[str, ...],
) -> None:
    async with raw(*how) as server:
        await server.greet()
        for line, code, number in NO_MESSAGES:
            refused = await server.ask(line)
            assert (refused["error"]["code"], refused["id"]) == (code, number), line[:80]
            await server.tell(b"", b"   ")
            assert (await server.ask({"jsonrpc": "2.0", "id": 5, "method": "ping"}))["id"] == 5


@EVERY_LOOP
async def test_lines_may_be_sixteen_mebibytes_and_no_longer(how: tuple[str, ...]) -> None:
    async with raw(*how) as server:
        await server.greet()
        longest = json.dumps(call("ok", modern=False, number=4)).encode().ljust(16 * 1024 * 1024)
        assert (await server.ask(longest))["id"] == 4
        refused = await server.ask(longest + b" ")
        assert (refused["error"]["code"], refused["id"]) == (-32700, None)
        assert (await server.ask({"jsonrpc": "2.0", "id": 5, "method": "ping"}))["id"] == 5


async def test_whatever_a_tool_prints_stays_off_the_wire() -> None:
    async with raw() as server:
        await server.greet()
        assert (await server.ask(call("noisy", modern=False)))["id"] == 1
        server.stdin.close()
        _, said = await server.end()
        assert await server.stdout.read() == b""
        assert {"stray print", "stray write", "stray child"} <= set(said.splitlines())


@EVERY_LOOP
async def test_a_closed_stdin_cancels_running_calls_and_ends_the_process_in_order(
    how: tuple[str, ...], tmp_path: Path
) -> None:
    async with marks_in(tmp_path) as marks, raw(*how) as server:
        await server.greet()
        await server.tell(call("slow", {"forever": True, "mark": marks.path}, modern=False))
        assert await marks.next() == "running"
        server.stdin.close()
        assert await marks.next() == "cancelled"
        assert await server.end() == (0, "closed in good order\n")


@EVERY_LOOP
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_signal_cancels_running_calls_and_ends_the_process_in_order(
    number: signal.Signals, how: tuple[str, ...], tmp_path: Path
) -> None:
    async with marks_in(tmp_path) as marks, raw(*how) as server:
        await server.greet()
        await server.tell(call("slow", {"forever": True, "mark": marks.path}, modern=False))
        assert await marks.next() == "running"
        server.process.send_signal(number)
        assert await marks.next() == "cancelled"
        assert await server.end() == (0, "closed in good order\n")


@BOTH_WAYS
async def test_a_client_that_stops_reading_is_taken_as_gone(how: tuple[str, ...]) -> None:
    async with script(*how) as words:
        command = shlex.join([sys.executable, *words])
        process = await asyncio.create_subprocess_shell(
            # The reader takes one line and leaves, while the writer stays.
            f"(printf '%s\\n' '{json.dumps(INITIALIZE)}'; exec sleep 60) | {command} | head -n 1",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout
        assert process.stderr
        async with asyncio.timeout(PATIENCE):
            assert "result" in json.loads(await process.stdout.readline())
            assert await process.stderr.readline() == b"closed in good order\n"
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_a_call_that_does_not_let_go_is_left_behind(tmp_path: Path) -> None:
    async with marks_in(tmp_path) as marks, raw() as server:
        await server.greet()
        await server.tell(call("stubborn", {"mark": marks.path}, modern=False))
        assert await marks.next() == "running"
        server.stdin.close()
        status, said = await server.end()
        assert status == 0
        assert "it is left behind" in said
        assert said.endswith("closed in good order\n")


@BOTH_WAYS
async def test_files_serve_as_well_as_pipes(how: tuple[str, ...], tmp_path: Path) -> None:
    questions, answers = tmp_path / "questions", tmp_path / "answers"
    questions.write_text(f"{json.dumps(DISCOVER)}\n{json.dumps(INITIALIZE)}\n", encoding="utf-8")
    async with script(*how) as words:
        with questions.open("rb") as stdin, answers.open("wb") as stdout:
            process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=stdin, stdout=stdout)
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() == 0
    said = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    assert [each["id"] for each in said] == ["probe", 0]

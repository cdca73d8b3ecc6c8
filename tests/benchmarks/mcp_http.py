"""MCP over HTTP, protocol 2026-07-28: tools/call rate of `serve` against a bare low-level SDK server.

    python tests/benchmarks/mcp_http.py ["omniroute-agent serve"] [--tool omniroute_ok] [--arguments '{}']

Both serve the small tools that the tests use (`--packages`), the bare server with a result recorded from ours, on the
same kind of event loop and HTTP parser; ours with keys, scopes and the audit, the bare one with nothing. Medians of
interleaved runs over raw keep-alive connections; ratios are ours to bare, so above 1 is better.
"""

import argparse
import asyncio
import json
import os
import re
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop

# Run as a program: the tests' own packages lie beside this folder.
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare import Message, bare_server

RUNS = 5
CALLS = 3000
CLIENTS = (1, 16)
TESTS = Path(__file__).parents[1]
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where a server listens, and the key it wants."""

    port: int
    key: str


class Talker:
    """One keep-alive connection in raw HTTP, so that no client library is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place) -> None:
        self._reader = reader
        self._writer = writer
        self._place = place

    @classmethod
    async def to(cls, place: Place) -> "Talker":
        return cls(*await asyncio.open_connection("127.0.0.1", place.port), place)

    def request(self, method: str, params: Message) -> bytes:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}).encode()
        name = f"Mcp-Name: {params['name']}\r\n" if "name" in params else ""
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self._place.port}\r\nContent-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
            f"Authorization: Bearer {self._place.key}\r\nMcp-Method: {method}\r\n{name}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def ask(self, request: bytes) -> bytes:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200") or length is None:
            raise SystemExit(f"not the answer that was expected: {head.decode()}")
        return await self._reader.readexactly(int(length[1]))

    def close(self) -> None:
        self._writer.close()


async def rate(place: Place, call: Message, clients: int) -> float:
    """Calls a second."""
    talkers = [await Talker.to(place) for _ in range(clients)]

    async def many(talker: Talker, calls: int) -> None:
        request = talker.request("tools/call", call)
        for _ in range(calls):
            await talker.ask(request)

    await asyncio.gather(*(many(talker, 20) for talker in talkers))
    began = time.perf_counter()
    await asyncio.gather(*(many(talker, CALLS // clients) for talker in talkers))
    seconds = time.perf_counter() - began
    for talker in talkers:
        talker.close()
    return CALLS // clients * clients / seconds


async def record(place: Place, call: Message) -> Message:
    talker = await Talker.to(place)
    listed = json.loads(await talker.ask(talker.request("tools/list", {})))["result"]
    answer = json.loads(await talker.ask(talker.request("tools/call", call)))["result"]
    talker.close()
    if answer.get("isError"):
        raise SystemExit(f"the call fails: {answer['content'][0]['text']}")
    return {"list": listed, "call": answer}


@contextmanager
def ours(command: list[str], packages: str) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as home:
        env = {
            **os.environ,
            "OMNIROUTE_DATA_DIR": home,
            "OMNIROUTE_TOOLS_PACKAGES": packages,
            "PYTHONPATH": os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", ""))),
        }
        with _process([*command, "--port", "0", "--json"], env) as said:
            told = json.loads(said)
            yield Place(told["port"], Path(told["key_file"]).read_text(encoding="utf-8").strip())


@contextmanager
def bare(recording: Message) -> Iterator[Place]:
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(recording, file)
        file.flush()
        with _process([sys.executable, __file__, "--bare", file.name], dict(os.environ)) as said:
            yield Place(int(said), "none")


@contextmanager
def _process(command: list[str], env: dict[str, str]) -> Iterator[str]:
    """What it says when it is ready. It is ended by SIGTERM."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True) as process:
        assert process.stdout
        said = process.stdout.readline()
        while said.strip() and said.startswith("{") and not said.rstrip().endswith("}"):
            said += process.stdout.readline()
        try:
            if not said:
                raise SystemExit(f"{command[0]} did not start")
            yield said
        finally:
            process.terminate()
            process.wait(20)


async def serve_bare(recording: Message) -> None:
    """What the SDK alone does: its low-level server and its HTTP app, on the same loop and parser."""
    server = bare_server(recording)
    serving = uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error", access_log=False))
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    await serving.serve(sockets=[listening])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("command", nargs="?", default="omniroute-agent serve")
    options.add_argument("--packages", default="doors.small_tools", help="whose tools ours serves")
    options.add_argument("--tool", default="omniroute_ok")
    options.add_argument("--arguments", default="{}")
    options.add_argument("--bare", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if chosen.bare:
            runner.run(serve_bare(json.loads(Path(chosen.bare).read_text(encoding="utf-8"))))
            return
        call = {"name": chosen.tool, "arguments": json.loads(chosen.arguments)}
        with ours(shlex.split(chosen.command), chosen.packages) as place:
            recording = runner.run(record(place, call))
            with bare(recording) as base:
                compare(runner, place, base, call, len(json.dumps(recording["call"])))


def compare(runner: asyncio.Runner, place: Place, base: Place, call: Message, size: int) -> None:
    print(f"{call['name']}, result of {size} bytes, {RUNS} runs of {CALLS} calls\n")
    print(f"{'clients':<10}{'ours':>10}{'bare':>10}{'ratio':>8}")
    for clients in CLIENTS:
        runs = [[runner.run(rate(each, call, clients)) for each in (place, base)] for _ in range(RUNS)]
        mine, theirs = (statistics.median(run[side] for run in runs) for side in (0, 1))
        print(f"{clients:<10}{mine:>10.0f}{theirs:>10.0f}{mine / theirs:>8.2f}")


if __name__ == "__main__":
    main()

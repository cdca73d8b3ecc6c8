"""MCP over stdio: start-up, memory and tools/call rate against a bare low-level SDK server.

    python tests/benchmarks/mcp_stdio.py ["omniroute-agent mcp"] [--tool omniroute_get_health] [--arguments '{}']

The bare server lists the same tools and returns the same result, both recorded from the command, over the SDK's own
stdio transport on the same kind of event loop. Medians of five interleaved runs; ratios are ours to bare, so above 1
is better for rates and below 1 for times and memory.
"""

import argparse
import asyncio
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import uvloop
from mcp.server.stdio import stdio_server

# Run as a program: the tests' own packages lie beside this folder.
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare import Message, bare_server

RUNS = 5
CALLS = 1500
WINDOW = 32
LEGACY = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Server:
    """A server process, spoken to in raw JSON-RPC so that no client library is measured."""

    def __init__(self, command: list[str], *, modern: bool, home: str) -> None:
        env = {**os.environ, "OMNIROUTE_DATA_DIR": home, "OMNIROUTE_HOME": home}
        self.born = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
        )
        self._meta = {"_meta": MODERN} if modern else {}
        self._ids = 0
        if not modern:
            self.ask("initialize", LEGACY)
            self._write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def _write(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def _line(self) -> bytes:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the server closed its stdout")
        return line

    def request(self, method: str, params: Message) -> bytes:
        self._ids += 1
        message = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": {**params, **self._meta}}
        return json.dumps(message).encode() + b"\n"

    def ask(self, method: str, params: Message) -> Message:
        self._write(self.request(method, params))
        answer: Message = json.loads(self._line())
        if "result" not in answer:
            raise SystemExit(f"{method} failed: {answer}")
        result: Message = answer["result"]
        return result

    def sequential(self, call: Message) -> float:
        """Calls a second, one after the other."""
        began = time.perf_counter()
        for _ in range(CALLS):
            self._write(self.request("tools/call", call))
            self._line()
        return CALLS / (time.perf_counter() - began)

    def pipelined(self, call: Message) -> float:
        """Calls a second with `WINDOW` under way."""
        began = time.perf_counter()
        sent = 0
        for got in range(CALLS):
            while sent < CALLS and sent - got < WINDOW:
                self._write(self.request("tools/call", call))
                sent += 1
            self._line()
        return CALLS / (time.perf_counter() - began)

    def memory(self) -> float:
        """Resident MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


@dataclass
class Figures:
    startup_ms: float
    memory_mib: float
    sequential: float
    pipelined: float


def measure(command: list[str], call: Message, *, modern: bool) -> Figures:
    with tempfile.TemporaryDirectory() as home, Server(command, modern=modern, home=home) as server:
        server.ask("tools/list", {})
        startup = (time.perf_counter() - server.born) * 1000
        memory = server.memory()
        server.ask("tools/call", call)
        return Figures(startup, memory, server.sequential(call), server.pipelined(call))


def record(command: list[str], call: Message) -> Message:
    with tempfile.TemporaryDirectory() as home, Server(command, modern=False, home=home) as server:
        return {"list": server.ask("tools/list", {}), "call": server.ask("tools/call", call)}


async def serve_bare(recording: Message) -> None:
    """What the SDK alone does: its low-level server and its stdio transport."""
    server = bare_server(recording)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("command", nargs="?", default="omniroute-agent mcp")
    options.add_argument("--tool", default="omniroute_get_health")
    options.add_argument("--arguments", default="{}")
    options.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop", help="of the bare server")
    options.add_argument("--bare", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.bare:
        factory = None
        if chosen.loop == "uvloop":
            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve_bare(json.loads(Path(chosen.bare).read_text(encoding="utf-8"))))
        return
    compare(shlex.split(chosen.command), {"name": chosen.tool, "arguments": json.loads(chosen.arguments)}, chosen.loop)


def compare(command: list[str], call: Message, loop: str) -> None:
    recording = record(command, call)
    if recording["call"].get("isError"):
        raise SystemExit(f"the call fails: {recording['call']['content'][0]['text']}")
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(recording, file)
        file.flush()
        bare = [sys.executable, __file__, "--bare", file.name, "--loop", loop]
        tools, size = len(recording["list"]["tools"]), len(json.dumps(recording["call"]))
        print(f"{tools} tools, result of {size} bytes, {RUNS} runs of {CALLS} calls, window {WINDOW}")
        for modern in (False, True):
            runs = [(measure(command, call, modern=modern), measure(bare, call, modern=modern)) for _ in range(RUNS)]
            report("2026-07-28" if modern else "2025-11-25", [run[0] for run in runs], [run[1] for run in runs])


def report(era: str, ours: list[Figures], bare: list[Figures]) -> None:
    print(f"\n{era:<12}{'ours':>10}{'bare':>10}{'ratio':>8}")
    for name in Figures.__dataclass_fields__:
        mine, theirs = (statistics.median(getattr(each, name) for each in side) for side in (ours, bare))
        print(f"{name:<12}{mine:>10.0f}{theirs:>10.0f}{mine / theirs:>8.2f}")


if __name__ == "__main__":
    main()

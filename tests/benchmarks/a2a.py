"""A2A, both protocol versions: the door of `serve` against the SDK's own server with its in-memory store.

    python tests/benchmarks/a2a.py ["omniroute-agent serve"] [--only send,stream,chunks,card,parked]

Ours with keys, scopes and tasks that are on the disk when they are answered; the stock one with nothing of that, on the
same kind of event loop and HTTP parser and without the spans that the SDK opens by itself. `send`: a message to a
trivial skill and its completed task; `stream`: from the request to the task, which is the first event; `chunks`: one
task told in many pieces, ours through the engine from a provider; `card`: the agent card against a bare JSON route;
`parked`: what 1,000 tasks that wait for an answer keep of memory. Medians of interleaved runs over raw keep-alive
connections; ratios are ours to stock, so above 1 is better for rates and below 1 for times and memory.
"""

import argparse
import asyncio
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import uvicorn
import uvloop

# Run as a program: the tests' own packages lie beside this folder, in which this file would hide the SDK of its name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare import Message
from benchmarks.mcp_http import Place, Talker
from interop.world import CAREFUL, CAREFUL_COMBO
from loopback import Loopback, Reply, Seen, says
from omniroute_agent.doors.a2a.words import EXTENSION, PATH

RUNS = 9
SENDS = 800
STREAMS = 900
CONNECTIONS = (1, 8)
LONG = (1500, 3000, 6000)
PARKED = 1000
CARDS = 2000
PART = "Five words of an answer."
VERSIONS = {"1.0": ("SendMessage", "SendStreamingMessage"), "0.3": ("message/send", "message/stream")}
_ID = b"message-0000000000"
_numbers = count(1)


@dataclass(frozen=True)
class Side:
    """A server, and what its messages say beside their text."""

    place: Place
    pid: int
    card: str
    trivial: Message
    park: Message


def body(side: Side, version: str, text: str, metadata: Message, *, streamed: bool = False) -> bytes:
    """A request with a placeholder for the message's id."""
    new = version == "1.0"
    message = {
        "messageId": _ID.decode(),
        "role": "ROLE_USER" if new else "user",
        "parts": [{"text": text} if new else {"kind": "text", "text": text}],
        "metadata": metadata,
        **({} if new else {"kind": "message"}),
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": VERSIONS[version][streamed], "params": {"message": message}}
    content = json.dumps(call).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{side.place.port}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nAuthorization: Bearer {side.place.key}\r\n"
        f"{'A2A-Version: 1.0' if new else 'X-Nothing: 0.3'}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def numbered(request: bytes) -> bytes:
    """With an id of its own: the same message twice is one message."""
    return request.replace(_ID, b"message-%010d" % next(_numbers))


async def rate(side: Side, request: bytes, expected: bytes, connections: int, calls: int) -> float:
    """Answers a second."""
    talkers = [await Talker.to(side.place) for _ in range(connections)]

    async def many(talker: Talker, times: int) -> None:
        for _ in range(times):
            answer = await talker.ask(numbered(request))
            if expected not in answer:
                raise SystemExit(f"not the answer that was expected: {answer[:2000].decode()}")

    await asyncio.gather(*(many(talker, 20) for talker in talkers))
    began = time.perf_counter()
    await asyncio.gather(*(many(talker, calls // connections) for talker in talkers))
    seconds = time.perf_counter() - began
    for talker in talkers:
        talker.close()
    return calls // connections * connections / seconds


@dataclass
class Told:
    first: float
    """Seconds to the first event."""
    whole: float
    events: int


async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Told:
    began = time.perf_counter()
    writer.write(numbered(request))
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200") or b"text/event-stream" not in head:
        raise SystemExit(f"not the stream that was expected: {head.decode()}")
    events, first, rest = 0, 0.0, b""
    while (size := int(await reader.readline(), 16)) > 0:
        piece = rest + await reader.readexactly(size)
        events += piece.count(b"data: ")
        rest = piece[-5:] if piece.endswith((b"d", b"da", b"dat", b"data", b"data:")) else b""
        first = first or (events > 0 and time.perf_counter() - began)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return Told(first, time.perf_counter() - began, events)


async def streams(side: Side, request: bytes, times: int) -> list[Told]:
    reader, writer = await asyncio.open_connection("127.0.0.1", side.place.port, limit=2**22)
    told = [await stream(reader, writer, request) for _ in range(times)]
    writer.close()
    return told


def memory(pid: int) -> float:
    """MiB that are resident."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class Provider(Loopback):
    """Answers "chunks N" in that many paragraphs."""

    def reply_to(self, request: Seen) -> Reply:
        word, _, number = str(request.body["messages"][-1]["content"]).partition(" ")
        return says(*[f"{PART}\n\n"] * int(number)) if word == "chunks" else super().reply_to(request)


@contextmanager
def ours(command: list[str], provider: Loopback) -> Iterator[Side]:
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "config.toml"
        config.write_text(provider.settings() + CAREFUL, encoding="utf-8")
        env = {**os.environ, "OMNIROUTE_DATA_DIR": home, "OMNIROUTE_CONFIG": str(config)}
        with started([*command, "--port", "0", "--json"], env) as (pid, said):
            told = json.loads(said)
            yield Side(
                Place(told["port"], Path(told["key_file"]).read_text(encoding="utf-8").strip()),
                pid,
                "/.well-known/agent-card.json",
                {EXTENSION: {"skill": "list-capabilities"}},
                {EXTENSION: {"combo": CAREFUL_COMBO}},
            )


@contextmanager
def stock(card: bytes) -> Iterator[Side]:
    """With `card` at a bare JSON route."""
    env = {**os.environ, "OTEL_INSTRUMENTATION_A2A_SDK_ENABLED": "false"}
    with tempfile.NamedTemporaryFile() as file:
        file.write(card)
        file.flush()
        with started([sys.executable, __file__, "--stock", file.name], env) as (pid, said):
            yield Side(Place(int(said), "none"), pid, "/card", {}, {})


@contextmanager
def started(command: list[str], env: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Its process id and what it says when it is ready. It is ended by SIGTERM."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True) as process:
        assert process.stdout
        said = process.stdout.readline()
        while said.startswith("{") and not said.rstrip().endswith("}"):
            said += process.stdout.readline()
        try:
            if not said:
                raise SystemExit(f"{command[0]} did not start")
            yield process.pid, said
        finally:
            process.terminate()
            process.wait(20)


async def serve_stock(card: Message) -> None:
    # Here alone: this process is to run the SDK's server, the others are not to load it.
    from benchmarks.stock import stock_server  # noqa: PLC0415 (as the comment says)

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    app = stock_server(f"http://127.0.0.1:{port}", card)
    serving = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    print(port, flush=True)
    await serving.serve(sockets=[listening])


def line(name: str, mine: float, theirs: float, unit: str, digits: int = 0) -> None:
    ratio = f"{mine / theirs:>8.2f}" if theirs else f"{'':>8}"
    print(f"{name:<48}{mine:>10.{digits}f}{theirs:>10.{digits}f} {unit:<10}{ratio}", flush=True)


async def sends(sides: Sequence[Side]) -> None:
    for version, (method, _) in VERSIONS.items():
        for connections in CONNECTIONS:
            runs: list[list[float]] = []
            for _ in range(RUNS):
                row: list[float] = []
                for side in sides:
                    asked = body(side, version, "What can you do?", side.trivial)
                    row.append(await rate(side, asked, _done(version), connections, SENDS))
                runs.append(row)
            mine, theirs = _medians(runs)
            line(f"{method}, {_talk(connections)}", mine, theirs, "/s")


async def first_events(sides: Sequence[Side]) -> None:
    for version, (_, method) in VERSIONS.items():
        told: list[list[float]] = [[], []]
        for _ in range(RUNS):
            for side, seconds in zip(sides, told, strict=True):
                asked = body(side, version, "What can you do?", side.trivial, streamed=True)
                seconds.extend(each.first * 1000 for each in (await streams(side, asked, STREAMS // RUNS + 10))[10:])
        for name, percent in (("p50", 50), ("p99", 99)):
            mine, theirs = (statistics.quantiles(each, n=100)[percent - 1] for each in told)
            line(f"{method}, first event, {name}", mine, theirs, "ms", 2)


async def long_tasks(sides: Sequence[Side]) -> None:
    for pieces in LONG:
        told: list[list[Told]] = [[], []]
        for _ in range(3):
            for side, found in zip(sides, told, strict=True):
                asked = body(side, "1.0", f"chunks {pieces}", {}, streamed=True)
                found.extend(await streams(side, asked, 1))
        mine, theirs = (statistics.median(each.whole for each in found) for found in told)
        line(f"{pieces} chunks of one task", mine, theirs, "s", 2)
        line("  each", mine / pieces * 1000, theirs / pieces * 1000, "ms", 3)
        if any(each.events < pieces for found in told for each in found):
            raise SystemExit(f"pieces are missing: {told}")


async def cards(sides: Sequence[Side]) -> None:
    for connections in CONNECTIONS:
        runs = [[await rate(side, _get(side), b"skills", connections, CARDS) for side in sides] for _ in range(RUNS)]
        line(f"agent card and bare JSON route, {_talk(connections)}", *_medians(runs), "/s")


async def parked(sides: Sequence[Side]) -> None:
    grown: list[float] = []
    for side in sides:
        asked = body(side, "1.0", "park", side.park)
        await rate(side, asked, b"INPUT_REQUIRED", 1, 100)
        before = memory(side.pid)
        await rate(side, asked, b"INPUT_REQUIRED", 1, PARKED)
        grown.append(memory(side.pid) - before)
    line(f"{PARKED} tasks parked, memory grown by", grown[0], grown[1], "MiB", 1)


async def card_of(side: Side) -> bytes:
    talker = await Talker.to(side.place)
    card = await talker.ask(_get(side))
    talker.close()
    return card


def _get(side: Side) -> bytes:
    return f"GET {side.card} HTTP/1.1\r\nHost: 127.0.0.1:{side.place.port}\r\n\r\n".encode()


def _talk(connections: int) -> str:
    return f"{connections} connection{'s' * (connections > 1)}"


def _done(version: str) -> bytes:
    return b"TASK_STATE_COMPLETED" if version == "1.0" else b'"completed"'


def _medians(runs: Sequence[Sequence[float]]) -> tuple[float, float]:
    return statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)


PARTS = {"send": sends, "stream": first_events, "chunks": long_tasks, "card": cards, "parked": parked}


async def measure(command: list[str], chosen: Sequence[str]) -> None:
    provider = Provider([says(PART)])
    with ExitStack() as open_now:
        async with await asyncio.start_server(provider.serve, "127.0.0.1", 0) as listening:
            provider.port = listening.sockets[0].getsockname()[1]
            # In a thread: ours asks the provider here for its models before it is ready.
            mine = await asyncio.to_thread(open_now.enter_context, ours(command, provider))
            theirs = await asyncio.to_thread(open_now.enter_context, stock(await card_of(mine)))
            sides = (mine, theirs)
            print(f"{'':<48}{'ours':>10}{'stock':>10} {'':<10}{'ratio':>8}")
            for name in chosen:
                await PARTS[name](sides)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("command", nargs="?", default="omniroute-agent serve")
    options.add_argument("--only", default=",".join(PARTS), help="parts, with commas between them")
    options.add_argument("--stock", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if chosen.stock:
            runner.run(serve_stock(json.loads(Path(chosen.stock).read_bytes())))
        else:
            runner.run(measure(shlex.split(chosen.command), chosen.only.split(",")))


if __name__ == "__main__":
    main()

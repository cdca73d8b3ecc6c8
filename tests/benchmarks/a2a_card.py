"""The agent card: rate of `serve` behind its gate against a bare Starlette route that answers the same JSON.

    python tests/benchmarks/a2a_card.py

Both on the same kind of event loop and HTTP parser, each in a process of its own, over raw keep-alive connections.
Medians of interleaved runs; the ratio is ours to bare, so above 1 is better.
"""

import argparse
import asyncio
import json
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

# Run as a program: the tests' own packages lie beside this folder.
sys.path.insert(0, str(Path(__file__).parent.parent))

from doors.a2a.cards import HERE, new_book, served

RUNS = 5
CALLS = 5000
CLIENTS = (1, 8)
PATH = "/.well-known/agent-card.json"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def bare_app(card: dict[str, Any]) -> ASGIApp:
    async def answer(_: Request) -> JSONResponse:
        return JSONResponse(card)

    return Starlette(routes=[Route(PATH, answer)])


async def serve(which: str) -> None:
    book = new_book()
    app = served(book) if which == "ours" else bare_app(book.merged(book.card(HERE)))
    serving = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    await serving.serve(sockets=[listening])


@contextmanager
def running(which: str) -> Iterator[int]:
    """The port."""
    command = [sys.executable, __file__, "--serve", which]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(20)


async def rate(port: int, clients: int) -> float:
    """Cards a second."""
    request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()

    async def many(calls: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(calls):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            if not head.startswith(b"HTTP/1.1 200") or length is None:
                raise SystemExit(f"not the answer that was expected: {head.decode()}")
            await reader.readexactly(int(length[1]))
        writer.close()

    await many(50)
    began = time.perf_counter()
    await asyncio.gather(*(many(CALLS // clients) for _ in range(clients)))
    return CALLS // clients * clients / (time.perf_counter() - began)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--serve", choices=("ours", "bare"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if chosen.serve:
            runner.run(serve(chosen.serve))
            return
        book = new_book()
        size = len(json.dumps(book.merged(book.card(HERE))))
        print(f"card of {size} bytes, {RUNS} runs of {CALLS} calls\n")
        print(f"{'clients':<10}{'ours':>10}{'bare':>10}{'ratio':>8}")
        with running("ours") as mine, running("bare") as theirs:
            for clients in CLIENTS:
                runs = [[runner.run(rate(port, clients)) for port in (mine, theirs)] for _ in range(RUNS)]
                ours, bare = (statistics.median(run[side] for run in runs) for side in (0, 1))
                print(f"{clients:<10}{ours:>10.0f}{bare:>10.0f}{ours / bare:>8.2f}")


if __name__ == "__main__":
    main()

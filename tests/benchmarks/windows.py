"""A window in front of a running gateway against a server of its own: start, memory, calls a second, end.

    python tests/benchmarks/windows.py [--windows 8]

Both are the real program in a data directory of its own, spoken to in raw JSON-RPC. Medians of five interleaved runs
per era; then that many windows at once, for what the next one costs.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare import Message
from benchmarks.mcp_stdio import Server

RUNS = 5
CALLS = 500
WINDOW = 32
PROGRAM = [sys.executable, "-m", "omniroute_agent"]
TOOL: Message = {"name": "omniroute_get_health", "arguments": {}}
LONELY = {
    "OMNIROUTE_DISCOVERY_LOOPBACK": "false",
    "OMNIROUTE_LOCAL_ENABLED": "false",
    "OMNIROUTE_SECRETS_KEYRING": "false",
}


@contextmanager
def gateway(home: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMNIROUTE_DATA_DIR": home},
    )
    assert process.stderr
    while b"owner key" not in process.stderr.readline():
        assert process.poll() is None, "it ended before it was ready"
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


@dataclass
class Figures:
    startup_ms: float
    memory_mib: float
    sequential: float
    pipelined: float
    busy_mib: float
    end_ms: float


def measure(home: str, *words: str, modern: bool) -> Figures:
    with Server([*PROGRAM, "mcp", *words], modern=modern, home=home) as server:
        server.ask("tools/list", {})
        startup = (time.perf_counter() - server.born) * 1000
        memory = server.memory()
        server.ask("tools/call", TOOL)
        sequential, pipelined = rate(server, 1), rate(server, WINDOW)
        busy = server.memory()
        began = time.perf_counter()
        assert server.process.stdin
        server.process.stdin.close()
        server.process.wait(10)
        return Figures(startup, memory, sequential, pipelined, busy, (time.perf_counter() - began) * 1000)


def rate(server: Server, window: int) -> float:
    """Calls a second with that many under way."""
    began = time.perf_counter()
    sent = 0
    assert server.process.stdin
    assert server.process.stdout
    for got in range(CALLS):
        while sent < CALLS and sent - got < window:
            server.process.stdin.write(server.request("tools/call", TOOL))
            sent += 1
        server.process.stdin.flush()
        assert server.process.stdout.readline()
    return CALLS / (time.perf_counter() - began)


def resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def compare(home: str, *, modern: bool) -> None:
    runs = [(measure(home, modern=modern), measure(home, "--no-forward", modern=modern)) for _ in range(RUNS)]
    print(f"\n{'2026-07-28' if modern else '2025-11-25':<12}{'window':>10}{'own':>10}{'ratio':>8}")
    for name in Figures.__dataclass_fields__:
        mine, theirs = (statistics.median(getattr(run[side], name) for run in runs) for side in (0, 1))
        print(f"{name:<12}{mine:>10.1f}{theirs:>10.1f}{mine / theirs:>8.2f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--windows", type=int, default=8)
    chosen = options.parse_args()
    os.environ.update(LONELY)
    with tempfile.TemporaryDirectory() as home, gateway(home) as process, ExitStack() as stack:
        for modern in (False, True):
            compare(home, modern=modern)
        before = resident(process.pid)
        windows = [
            stack.enter_context(Server([*PROGRAM, "mcp"], modern=False, home=home)) for _ in range(chosen.windows)
        ]
        for window in windows:
            window.ask("tools/list", {})
        each = statistics.median(window.memory() for window in windows)
        grown = (resident(process.pid) - before) / chosen.windows
        print(
            f"\n{chosen.windows} windows at once: {each:.1f} MiB each, and {grown:.2f} MiB more in the gateway for each"
        )


if __name__ == "__main__":
    main()

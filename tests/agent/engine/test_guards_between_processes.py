"""Several processes under one guard: together they never spend more than it allows."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from houses import OWNER, a_house
from omniroute_agent.kernel.guard import Guard

SCRIPT = str(Path(__file__).parent / "spender.py")
LIMIT = 40_000_000
"""Nano-dollars: a quarter of what the processes ask for."""


@asynccontextmanager
async def a_spender(directory: Path, number: int, *handle: str) -> AsyncGenerator[Process, None]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        SCRIPT,
        str(directory),
        str(number),
        *handle,
        stdin=PIPE,
        stdout=PIPE,
        env=environment,
    )
    try:
        assert await line_of(process) == "ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line_of(process: Process) -> str:
    assert process.stdout
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    return line.decode().strip()


async def spent_by(process: Process) -> dict[str, Any]:
    assert process.stdin
    process.stdin.write(b"go\n")
    found: dict[str, Any] = json.loads(await line_of(process))
    assert await asyncio.wait_for(process.wait(), 60) == 0
    return found


async def test_processes_under_one_guard_never_overspend_it_together(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, AsyncExitStack() as stack:
        # Set by hand in this process, it holds in those that run already.
        spenders = [await stack.enter_async_context(a_spender(tmp_path, number)) for number in (1, 2)]
        await house.parts.guards.put(Guard(name="cap", limit=LIMIT), None)
        told = await asyncio.gather(*(spent_by(spender) for spender in spenders))
        room = (await house.parts.gatherer.situation(caller=OWNER)).rooms["cap"]
    assert sum(each["paid"] for each in told) == room.spent
    assert 0 < room.spent <= LIMIT
    assert room.reserved == 0
    assert all(each["refused"] > 0 for each in told), told


async def test_processes_never_overspend_one_budget_handle_together(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, AsyncExitStack() as stack:
        handles = house.parts.handles
        whole = await handles.mint(OWNER, LIMIT)
        share = await handles.split(OWNER, whole.text.reveal(), LIMIT // 2)
        texts = (whole.text.reveal(), share.text.reveal(), share.text.reveal())
        spenders = [
            await stack.enter_async_context(a_spender(tmp_path, number, text))
            for number, text in enumerate(texts, start=1)
        ]
        told = await asyncio.gather(*(spent_by(spender) for spender in spenders))
        found = await handles.look(OWNER, whole.row.id)
    assert sum(each["paid"] for each in told) == found.spent
    assert 0 < found.spent <= LIMIT
    assert found.reserved == 0
    assert found.spent + sum(row.left for row in (found.row, *found.below)) == LIMIT
    assert all(each["refused"] > 0 for each in told), told

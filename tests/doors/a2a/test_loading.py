"""The SDK takes a third of a second and fifty megabytes: only who asks for the door loads it."""

import asyncio
import sys

import pytest

LOADED = "print(*sorted({name.partition('.')[0] for name in sys.modules} & {'a2a', 'google', 'httpx'}))"


@pytest.mark.parametrize(
    "imported",
    [
        "omniroute_agent.cli.stdio, omniroute_agent.app, omniroute_agent.doors.mcp.server",
        "omniroute_agent.cli.serve, omniroute_agent.cli.agent_door",
        "omniroute_agent.cli.commands, omniroute_agent.cli.a2a",
    ],
)
async def test_what_starts_without_the_door_does_not_load_it(imported: str) -> None:
    code = f"import sys, {imported}; {LOADED}"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert said.decode().split() == []

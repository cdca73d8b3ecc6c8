"""Runs the TypeScript client's walk over every tool against the real program and a scripted provider.

python typescript.py NODE MODULES       MODULES: the directory whose `node_modules` hold `@modelcontextprotocol/sdk`
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

# Run as a program: the tests' own packages lie beside this folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from doors.test_every_tool import CALLS
from doors.test_main_job import bare_environment, command, serving
from loopback import loopback, says

SCRIPT = str(Path(__file__).resolve().with_suffix(".mjs"))


async def walk(node: str, modules: str, directory: Path) -> int:
    async with loopback(says("Hello")) as provider, serving(directory / "http", provider.settings()) as (url, key):
        plan = {
            "calls": CALLS,
            "command": sys.executable,
            "args": command(directory / "stdio", provider.settings(), "mcp"),
            "env": bare_environment(directory),
            "url": f"{url}/mcp",
            "key": key,
        }
        plan_file = directory / "plan.json"
        plan_file.write_text(json.dumps(plan), "utf-8")
        process = await asyncio.create_subprocess_exec(node, SCRIPT, modules, str(plan_file))
        async with asyncio.timeout(180):
            return await process.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        sys.exit(asyncio.run(walk(sys.argv[1], sys.argv[2], Path(place))))
